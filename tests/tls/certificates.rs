//! Which certificate a client is shown, and what it thinks of it.

use std::sync::Arc;

use tickwire::rustls::pki_types::CertificateDer;
use tickwire::rustls::pki_types::pem::PemObject;
use tickwire::rustls::{CertificateError, Error};

use super::support::tls::{Authority, Identity, NAME, authority, client_config, write_file};
use super::support::{Mode, Running, Script, Socket, eventually};
use super::{builder, error_of, shake_hands, tls_of};

fn der(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate")
}

#[track_caller]
fn shown(server: &Running, name: &str) -> CertificateDer<'static> {
    let socket = shake_hands(&server.address(), &client_config(), name).expect("TLS");
    let session = socket.as_tls().session();
    session.peer_certificates().expect("a certificate")[0].clone()
}

#[test]
fn each_name_gets_its_certificate_and_strangers_the_first() {
    let first = authority().issue(&["a.example"]);
    let second = authority().issue(&["b.example", "*.c.example"]);
    let third = authority().issue(&["127.0.0.1"]);
    let tls = [("sni-2", &second), ("sni-3", &third)].into_iter().fold(
        tls_of("sni-1", &first),
        |tls, (test, identity)| {
            let certificate = write_file(&format!("{test}.pem"), &identity.certificate);
            tls.certificate(certificate, write_file(&format!("{test}.key"), &identity.key))
        },
    );
    let server = Running::start(builder(tls), Script::echo());
    assert_eq!(shown(&server, "a.example"), der(&first));
    assert_eq!(shown(&server, "b.example"), der(&second));
    assert_eq!(shown(&server, "x.c.example"), der(&second));
    let wrong = |name: &str| {
        let socket = Socket::connect_plain(&server.address(), None).expect("connect");
        let error = socket.with_tls(client_config(), name).expect_err("the wrong name");
        matches!(
            error_of(&error),
            Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })
                if format!("{presented:?}").contains("a.example")
        )
    };
    // An address is not asked for by name: the first certificate, which is not for it.
    assert!(wrong("d.example") && wrong("127.0.0.1"));
    eventually("the clients' alerts are counted", || {
        server.handle().stats().total.tls_handshakes_failed == 2
    });
}

#[test]
fn an_expired_certificate_is_refused_by_the_client() {
    let identity = authority().issue_expired(&[NAME]);
    let server = Running::start(builder(tls_of("expired", &identity)), Script::echo());
    let error = shake_hands(&server.address(), &client_config(), NAME).expect_err("expired");
    let Error::InvalidCertificate(why) = error_of(&error) else { panic!("{error}") };
    assert!(matches!(why, CertificateError::Expired | CertificateError::ExpiredContext { .. }));
    eventually("its alert is counted", || server.handle().stats().total.tls_handshakes_failed == 1);
}

#[test]
fn a_reload_changes_what_newcomers_see_and_disturbs_nobody() {
    let before = authority().issue(&[NAME]);
    let server = Running::start(builder(tls_of("reload", &before)), Script::echo());
    let fresh = || Arc::new(authority().client());
    let mut old = server.dial().tls(fresh()).connect();
    let resuming = fresh();
    shake_hands(&server.address(), &resuming, NAME).expect("TLS");

    let after = authority().issue(&[NAME]);
    let key = write_file("reload.key", &after.key);
    let error = server.handle().reload_tls().expect_err("half a renewal");
    assert!(error.is_tls() && error.to_string().contains("does not belong"), "{error}");
    let session = |config| {
        let socket = shake_hands(&server.address(), &config, NAME).expect("TLS");
        let session = socket.as_tls().session();
        (session.peer_certificates().expect("one")[0].clone(), session.handshake_kind())
    };
    assert_eq!(session(fresh()).0, der(&before), "nothing has changed");

    write_file("reload.pem", &after.certificate);
    server.handle().reload_tls().expect("both files are there");
    assert_eq!(session(fresh()).0, der(&after));
    let (_, kind) = session(resuming);
    assert_eq!(kind, Some(tickwire::rustls::HandshakeKind::Resumed), "tickets stay valid");
    old.send_text("still here");
    old.expect_text("still here");
    old.leave();
    std::fs::remove_file(key).expect("the key");
    let error = server.handle().reload_tls().expect_err("no key");
    assert!(error.to_string().contains("reload.key"), "{error}");
}

#[test]
fn a_stranger_s_authority_is_not_believed() {
    let server = Mode::Inline.start(Script::echo());
    let stranger = Arc::new(Authority::new("somebody else").client());
    let error = shake_hands(&server.address(), &stranger, NAME).expect_err("unknown");
    let expected = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert_eq!(error_of(&error), expected);
}
