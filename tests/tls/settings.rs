//! Settings that cannot work are refused at the start, by a message that says what to do.

use std::sync::Arc;

use rcgen::KeyPair;
use tickwire::rustls::ServerConfig;
use tickwire::rustls::pki_types::pem::PemObject;
use tickwire::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tickwire::{Tls, TlsInfo};

use super::support::tls::{Identity, NAME, authority, server_tls, write_file};
use super::support::{Running, Script};
use super::{builder, tls_of};

#[track_caller]
fn refused(tls: Tls, expected: &[&str]) {
    let error = builder(tls).start(Script::echo()).expect_err("it cannot work");
    let message = error.to_string();
    assert!(error.is_tls() && !error.is_config() && !error.is_bind(), "{message}");
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn each_wrong_file_is_named_with_what_to_do() {
    let good = authority().issue(&[NAME]);
    let other = authority().issue(&[NAME]);
    let certificate = write_file("good.pem", &good.certificate);
    let key = write_file("good.key", &good.key);
    let empty = write_file("empty.pem", "nothing in here\n");
    let cut = write_file("cut.pem", &good.certificate[..200]);
    let damaged =
        write_file("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let other_key = write_file("other.key", &other.key);

    refused(Tls::from_files("/no/such.pem", &key), &["/no/such.pem", "Check the path"]);
    refused(Tls::from_files(&certificate, "/no/such.key"), &["/no/such.key", "Check the path"]);
    refused(Tls::from_files(&empty, &key), &["empty.pem", "holds no certificate", "BEGIN"]);
    refused(Tls::from_files(&cut, &key), &["cut.pem", "PEM"]);
    refused(Tls::from_files(&damaged, &key), &["damaged.pem", "cannot be used"]);
    refused(Tls::from_files(&certificate, &certificate), &["good.pem", "holds no private key"]);
    refused(
        Tls::from_files(&certificate, &other_key),
        &["other.key", "does not belong", "good.pem"],
    );
    refused(server_tls().certificate(&certificate, &other_key), &["other.key"]);
    refused(server_tls().require_client_certificates(&empty), &["empty.pem", "no certificate"]);
    refused(server_tls().allow_client_certificates("/no/ca.pem"), &["/no/ca.pem"]);
}

#[test]
fn certificate_and_key_may_share_a_file() {
    let Identity { certificate, key } = authority().issue(&[NAME]);
    let path = write_file("both.pem", &format!("{key}{certificate}"));
    let server = Running::start(builder(Tls::from_files(&path, &path)), Script::echo());
    server.connect().leave();
}

#[test]
fn a_configuration_of_the_service_s_own_is_used_as_it_is() {
    let identity = authority().issue(&[NAME]);
    let certificate =
        CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
    let provider = Arc::new(tickwire::rustls::crypto::ring::default_provider());
    let own = |early_len| {
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.clone()],
                PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key"),
            )
            .expect("an identity");
        config.max_early_data_size = early_len;
        Tls::from_config(Arc::new(config))
    };
    let server = Running::start(builder(own(0)), Script::echo());
    server.connect().leave();
    server.handle().reload_tls().expect("there is nothing to read");
    refused(own(1000), &["max_early_data_size", "set it to 0"]);
    refused(own(0).certificate("a", "b"), &["ServerConfig"]);
}

#[test]
fn plain_and_tls_listeners_stand_side_by_side() {
    let server = Running::start(builder(server_tls()).bind("127.0.0.1:0"), Script::echo());
    let [secure, plain] = server.handle().local_addrs() else { panic!("two addresses") };
    super::support::Client::connect(secure).leave();
    let socket = super::support::Socket::connect_plain(plain, None).expect("connect");
    let http = super::support::HttpClient::new(socket);
    http.get("/");
    assert_eq!(http.response().status, 404);
}

#[test]
fn an_rsa_key_serves_too() {
    let Ok(rsa) = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256) else {
        // The library that makes certificates for tests cannot make such keys everywhere.
        return;
    };
    let mut params = rcgen::CertificateParams::new([NAME.to_owned()]).expect("a name");
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    let certificate = params.self_signed(&rsa).expect("a certificate").pem();
    let identity = Identity { certificate, key: rsa.serialize_pem() };
    let tls = server_tls();
    drop(Running::start(builder(tls_of("rsa", &identity)), Script::echo()));
    drop(tls);
}

#[test]
fn what_tls_says_can_be_kept_and_sent() {
    fn assert_owned<T: Send + Sync + Clone + 'static>() {}
    assert_owned::<TlsInfo>();
    assert_owned::<Tls>();
}
