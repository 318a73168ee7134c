//! Certificates that clients show.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use tickwire::rustls::pki_types::CertificateDer;
use tickwire::rustls::pki_types::pem::PemObject;
use tickwire::rustls::version::{TLS12, TLS13};
use tickwire::rustls::{AlertDescription, ClientConfig, DEFAULT_VERSIONS};
use tickwire::{Refusal, Upgrade};

use super::support::tls::{Authority, Identity, authority, server_tls, write_file};
use super::support::{Running, Script, eventually, soon};
use super::{builder, refusal};

type Shown = Option<CertificateDer<'static>>;

/// A server that asks for certificates of `clients`, and what its handler sees.
fn server(test: &str, clients: &Authority, is_required: bool) -> (Running, Receiver<Shown>) {
    let ca = write_file(&format!("{test}-ca.pem"), &clients.pem());
    let tls = match is_required {
        true => server_tls().require_client_certificates(ca),
        false => server_tls().allow_client_certificates(ca),
    };
    let (certificates, shown) = channel();
    let script = Script::echo().on_upgrade(move |request| {
        let tls = request.tls().ok_or(Refusal::new(http::StatusCode::FORBIDDEN))?;
        certificates.send(tls.peer_certificate().cloned()).expect("the test listens");
        Ok(Upgrade::new(()))
    });
    (Running::start(builder(tls), script), shown)
}

fn showing(identity: Option<&Identity>) -> Arc<ClientConfig> {
    Arc::new(authority().client_with(DEFAULT_VERSIONS, identity))
}

#[test]
fn the_handler_sees_the_certificate_also_of_a_resumed_session() {
    let clients = Authority::new("an authority of clients");
    let alice = clients.issue(&["alice.example"]);
    let der = CertificateDer::from_pem_slice(alice.certificate.as_bytes()).expect("one");
    let (server, shown) = server("seen", &clients, true);
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(authority().client_with(&[version], Some(&alice)));
        for _ in 0..2 {
            let mut client = server.dial().tls(config.clone()).connect();
            client.send_text("it is me");
            client.expect_text("it is me");
            assert_eq!(soon(&shown).as_ref(), Some(&der));
            client.leave();
        }
    }
    let total = server.handle().stats().total;
    assert_eq!((total.tls_handshakes, total.tls_resumed), (4, 2));
}

#[test]
fn whoever_shows_none_is_refused_where_one_is_required() {
    let clients = Authority::new("an authority of clients");
    let (server, _) = server("none", &clients, true);
    let alert = refusal(&server.address(), &showing(None));
    assert_eq!(alert, AlertDescription::CertificateRequired);
    let old = Arc::new(authority().client_with(&[&TLS12], None));
    assert_eq!(refusal(&server.address(), &old), AlertDescription::CertificateRequired);
    eventually("both are counted", || server.handle().stats().total.tls_handshakes_failed == 2);
}

#[test]
fn whoever_shows_none_is_let_in_where_one_may_be_shown() {
    let clients = Authority::new("an authority of clients");
    let (server, shown) = server("optional", &clients, false);
    server.dial().tls(showing(None)).connect().leave();
    assert_eq!(soon(&shown), None);
    let alice = clients.issue(&["alice.example"]);
    server.dial().tls(showing(Some(&alice))).connect().leave();
    assert!(soon(&shown).is_some());
}

#[test]
fn certificates_that_are_not_in_order_are_refused_by_their_alerts() {
    let clients = Authority::new("an authority of clients");
    let stranger = Authority::new("somebody else").issue(&["mallory.example"]);
    let expired = clients.issue_expired(&["bob.example"]);
    for is_required in [true, false] {
        let (server, _) = server("bad", &clients, is_required);
        let alert = refusal(&server.address(), &showing(Some(&stranger)));
        assert_eq!(alert, AlertDescription::UnknownCA);
        let alert = refusal(&server.address(), &showing(Some(&expired)));
        assert_eq!(alert, AlertDescription::CertificateExpired);
    }
}

#[test]
fn a_reload_with_other_authorities_is_not_got_round_by_a_ticket() {
    let (old, new) = (Authority::new("before"), Authority::new("after"));
    let (server, _shown) = server("revoked", &old, true);
    let config = showing(Some(&old.issue(&["alice.example"])));
    let mut client = server.dial().tls(config.clone()).connect();
    client.send_text("tickets come with this");
    client.expect_text("tickets come with this");
    write_file("revoked-ca.pem", &new.pem());
    server.handle().reload_tls().expect("a good file");
    assert_eq!(refusal(&server.address(), &config), AlertDescription::UnknownCA);
    client.send_text("who is there stays");
    client.expect_text("who is there stays");
}
