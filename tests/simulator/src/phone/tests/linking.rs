use wacore::adv::{AdvValidation, decode_key_index_list, filter_devices_by_key_index};
use wacore::companion_reg::CompanionWebClientType;
use wacore::pair::{DeviceState, PairUtils};
use wacore::pair_code::PairCodeUtils;
use wacore::store::traits::DeviceInfo;
use wacore_libsignal::protocol::{KeyPair, PublicKey};

use super::super::keys::public_bytes;
use super::super::{
    CODE_VALIDITY_SECS, CodePairing, LINKED_DEVICES_MAX, PairError, QrText, asks_for_app_state_keys,
};
use super::*;

fn companion(seed: u64) -> DeviceState {
    let mut rng = rng(seed);
    DeviceState {
        identity_key: KeyPair::generate(&mut rng),
        noise_key: KeyPair::generate(&mut rng),
        adv_secret_key: [seed.to_le_bytes()[0]; 32],
    }
}

fn identity_of(companion: &DeviceState) -> [u8; 32] {
    public_bytes(&companion.identity_key.public_key)
}

/// Links a companion the way a server would pass things around; returns the bytes it finally serves.
fn link(ada: &mut Phone, companion: &DeviceState, device: u16) -> Vec<u8> {
    let identity = identity_of(companion);
    let success = ada
        .link_device(device, &identity, &companion.adv_secret_key, NOW)
        .unwrap();
    let (answer, key_index) =
        PairUtils::do_pair_crypto(companion, &success.device_identity).unwrap();
    assert_eq!(key_index, success.key_index);
    ada.finish_device(device, &answer).unwrap();
    answer
}

#[test]
fn a_client_qr_text_is_read() {
    let companion = companion(1);
    let text = PairUtils::make_qr_data(&companion, "2@ref/+=", CompanionWebClientType::Chrome);
    let prefixed = format!("https://wa.me/settings/linked_devices#{text}");
    for text in [text, prefixed] {
        let qr = QrText::parse(&text).unwrap();
        assert_eq!(qr.reference, "2@ref/+=");
        assert_eq!(qr.noise, public_bytes(&companion.noise_key.public_key));
        assert_eq!(qr.identity, identity_of(&companion));
        assert_eq!(qr.adv_secret, companion.adv_secret_key);
        assert_eq!(qr.client_type, CompanionWebClientType::Chrome.to_string());
    }
}

#[test]
fn other_texts_are_refused() {
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let check = |text: String| assert!(QrText::parse(&text).is_err(), "{text}");
    check(String::new());
    check(format!("ref,{key},{key},{key}"));
    check(format!(",{key},{key},{key},1"));
    check(format!("ref,{key},{key},{key},"));
    check(format!("ref,{key},!!,{key},1"));
    check(format!("ref,{key},AAAA,{key},1"));
    check("x".repeat(100_000));
}

#[test]
fn a_client_accepts_the_link_and_others_accept_the_client() {
    let (mut ada, companion) = (phone(1), companion(2));
    let answer = link(&mut ada, &companion, 3);
    let identity = identity_of(&companion);
    let valid = wacore::adv::validate_adv_with_identity_key(&answer, &identity, None);
    assert_eq!(valid, AdvValidation::Valid);
    let linked: Vec<_> = ada.linked_devices().collect();
    assert_eq!((linked[0].device, linked[0].key_index), (3, 1));
    assert_eq!(linked[0].identity, identity);
}

#[test]
fn a_wrong_secret_is_noticed_by_the_client() {
    let (mut ada, companion) = (phone(1), companion(2));
    let success = ada
        .link_device(1, &identity_of(&companion), &[9; 32], NOW)
        .unwrap();
    let error = PairUtils::do_pair_crypto(&companion, &success.device_identity).unwrap_err();
    assert_eq!(error.text, "hmac-mismatch");
}

#[test]
fn a_changed_answer_is_refused() {
    let (mut ada, companion) = (phone(1), companion(2));
    let identity = identity_of(&companion);
    let success = ada
        .link_device(1, &identity, &companion.adv_secret_key, NOW)
        .unwrap();
    let (answer, _) = PairUtils::do_pair_crypto(&companion, &success.device_identity).unwrap();
    let decode = || waproto::codec::adv_signed_device_identity_decode(&answer).unwrap();
    let encode = waproto::codec::adv_signed_device_identity_to_vec;
    let mut refused = |change: fn(&mut wa::ADVSignedDeviceIdentity), field: &str| {
        let mut signed = decode();
        change(&mut signed);
        let error = ada.finish_device(1, &encode(&signed)).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
        assert_eq!(ada.linked_devices().count(), 0);
    };
    refused(|s| s.details.as_mut().unwrap()[2] ^= 1, "details");
    refused(
        |s| s.account_signature.as_mut().unwrap()[9] ^= 1,
        "account signature",
    );
    refused(
        |s| s.account_signature_key.as_mut().unwrap()[9] ^= 1,
        "account signature key",
    );
    refused(
        |s| s.device_signature.as_mut().unwrap()[9] ^= 1,
        "device signature",
    );
    refused(|s| s.device_signature = None, "device signature");
    assert!(matches!(
        ada.finish_device(1, &[1, 2, 3]),
        Err(PairError::Decode { .. })
    ));
    assert!(matches!(
        ada.finish_device(2, &answer),
        Err(PairError::UnknownDevice(2))
    ));

    // Some clients leave out the account's key; others then know it as the phone's identity.
    let mut without_key = decode();
    without_key.account_signature_key = None;
    let without_key = encode(&without_key);
    ada.finish_device(1, &without_key).unwrap();
    let account = ada.identity();
    let valid =
        wacore::adv::validate_adv_with_identity_key(&without_key, &identity, Some(&account));
    assert_eq!(valid, AdvValidation::Valid);
}

#[test]
fn clients_keep_exactly_the_linked_devices() {
    let mut ada = phone(1);
    for (seed, device) in [(1, 1), (2, 2), (3, 3)] {
        link(&mut ada, &companion(seed), device);
    }
    assert!(ada.unlink_device(2));
    assert!(!ada.unlink_device(2));
    let list = ada.key_index_list(NOW + 5).unwrap();
    assert_eq!(list.timestamp, NOW + 5);
    assert_eq!(ada.key_index_list(NOW + 6).unwrap(), list, "signed once");
    let decoded = decode_key_index_list(&list.bytes).unwrap();
    assert_eq!((decoded.timestamp, decoded.current_index), (NOW + 5, 3));
    assert_eq!(decoded.valid_indexes, [0, 1, 3]);
    let devices: Vec<_> = std::iter::once(DeviceInfo::new(0, None))
        .chain((1..=3).map(|n| DeviceInfo::new(n, Some(n))))
        .collect();
    let kept = filter_devices_by_key_index(&devices, &decoded);
    let kept: Vec<_> = kept.iter().map(|device| device.device_id).collect();
    assert_eq!(kept, [0, 1, 3]);

    // Linking again gives a new index; the raw id stays, or clients would forget all sessions.
    link(&mut ada, &companion(4), 2);
    let later = ada.key_index_list(NOW + 9).unwrap();
    let later = decode_key_index_list(&later.bytes).unwrap();
    assert_eq!((later.raw_id, later.current_index), (decoded.raw_id, 4));
    assert_eq!(later.valid_indexes, [0, 1, 3, 4]);
}

#[test]
fn the_key_index_list_is_signed_and_renewed() {
    let mut ada = phone(1);
    link(&mut ada, &companion(1), 1);
    let list = ada.key_index_list(NOW).unwrap();
    let signed = waproto::codec::adv_signed_key_index_list_decode(&list.bytes).unwrap();
    let account = PublicKey::from_djb_public_key_bytes(&ada.identity()).unwrap();
    let text = [&[6, 2], signed.details.as_deref().unwrap()].concat();
    assert!(account.verify_signature(&text, signed.account_signature.as_deref().unwrap()));
    let month = 30 * 24 * 3600;
    assert_eq!(
        ada.key_index_list(NOW + month).unwrap().timestamp,
        NOW + month
    );
}

#[test]
fn a_device_that_never_answered_is_not_listed() {
    let mut ada = phone(1);
    link(&mut ada, &companion(1), 1);
    ada.link_device(2, &identity_of(&companion(2)), &[1; 32], NOW)
        .unwrap();
    let list = ada.key_index_list(NOW).unwrap();
    assert_eq!(
        decode_key_index_list(&list.bytes).unwrap().valid_indexes,
        [0, 1]
    );
}

#[test]
fn the_number_of_devices_is_limited() {
    let mut ada = phone(1);
    for device in 1..=4 {
        link(&mut ada, &companion(u64::from(device)), device);
    }
    assert_eq!(ada.linked_devices().count(), LINKED_DEVICES_MAX);
    let fifth = ada.link_device(5, &identity_of(&companion(5)), &[0; 32], NOW);
    assert!(matches!(fifth, Err(PairError::TooManyDevices(4))));
    assert!(matches!(
        ada.link_device(0, &[9; 32], &[0; 32], NOW),
        Err(PairError::DeviceZero)
    ));
    link(&mut ada, &companion(6), 4);
    ada.unlink_device(1);
    link(&mut ada, &companion(7), 5);
}

/// The companion's half of the code flow, with the client's own functions.
struct CodeCompanionSide {
    state: DeviceState,
    ephemeral: KeyPair,
    code: &'static str,
}

impl CodeCompanionSide {
    fn new(code: &'static str) -> (Self, Vec<u8>) {
        let ephemeral = KeyPair::generate(&mut rng(77));
        let wrapped =
            PairCodeUtils::encrypt_ephemeral_pub(&public_bytes(&ephemeral.public_key), code);
        let state = companion(5);
        (
            Self {
                state,
                ephemeral,
                code,
            },
            wrapped.to_vec(),
        )
    }

    fn finish(&mut self, hello: &super::super::PrimaryHello) -> Vec<u8> {
        let primary =
            PairCodeUtils::decrypt_primary_ephemeral_pub(&hello.wrapped_key, self.code).unwrap();
        let (wrapped, secret) = PairCodeUtils::prepare_key_bundle(
            &self.ephemeral,
            &primary,
            &hello.identity,
            &self.state.identity_key,
        )
        .unwrap();
        self.state.adv_secret_key = secret;
        wrapped
    }
}

#[test]
fn a_client_is_linked_by_code() {
    let (mut ada, mut rng) = (phone(1), rng(20));
    let (mut side, wrapped) = CodeCompanionSide::new("ABCD1234");
    let mut pairing = CodePairing::from_companion_hello(&wrapped, NOW).unwrap();
    let identity = identity_of(&side.state);
    let early = pairing.on_companion_finish(&ada, &[0; 156], &identity);
    assert!(matches!(early, Err(PairError::NoCodeTyped)));

    let mistyped = pairing
        .enter_code(&ada, "ABCD1235", NOW + 1, &mut rng)
        .unwrap();
    let bundle = side.finish(&mistyped);
    let error = pairing.on_companion_finish(&ada, &bundle, &identity);
    assert!(matches!(error, Err(PairError::CodeMismatch)));

    let hello = pairing
        .enter_code(&ada, "abcd-1234 ", NOW + 2, &mut rng)
        .unwrap();
    let bundle = side.finish(&hello);
    let other = identity_of(&companion(6));
    let error = pairing.on_companion_finish(&ada, &bundle, &other);
    assert!(matches!(error, Err(PairError::CodeIdentity("companion"))));
    let found = pairing
        .on_companion_finish(&ada, &bundle, &identity)
        .unwrap();
    assert_eq!(found.adv_secret, side.state.adv_secret_key);
    assert_eq!(found.identity, identity);
    link(&mut ada, &side.state, 1);
}

#[test]
fn codes_expire_and_have_a_shape() {
    let (ada, mut rng) = (phone(1), rng(21));
    let mut pairing = CodePairing::from_companion_hello(&[0; 80], NOW).unwrap();
    for wrong in ["", "ABCD123", "ABCD12345", "ABCD123O", "ÄBCD1234"] {
        let error = pairing.enter_code(&ada, wrong, NOW, &mut rng).unwrap_err();
        assert!(matches!(error, PairError::CodeShape), "{wrong}");
    }
    let late = pairing.enter_code(&ada, "ABCD1234", NOW + CODE_VALIDITY_SECS + 1, &mut rng);
    assert!(matches!(late, Err(PairError::CodeExpired(1))));
    let short = CodePairing::from_companion_hello(&[0; 79], NOW);
    assert!(matches!(short, Err(PairError::WrappedLength { .. })));
}

#[test]
fn companions_get_one_stable_app_state_key() {
    let (mut ada, mut rng) = (phone(1), rng(22));
    let mut seen = Vec::new();
    for n in 1..=2 {
        link(&mut ada, &companion(u64::from(n)), n);
        let mut receiver = Phone::new(1, 2, "Ada", 100 + u64::from(n));
        let bundle = receiver.bundle(true).unwrap();
        let enc = ada
            .key_share(device(1, n), Some(&bundle), NOW, &mut rng)
            .unwrap();
        assert_eq!(enc.kind, EncKind::PreKey);
        let opened = receiver
            .decrypt(ada.address(), enc.kind, &enc.bytes, &mut rng)
            .unwrap();
        let protocol = opened.message.protocol_message.as_option().unwrap();
        let share = protocol.app_state_sync_key_share.as_option().unwrap();
        // A client ignores keys that lack any of these.
        let key = &share.keys[0];
        let id = key.key_id.as_option().unwrap().key_id.clone().unwrap();
        let data = key.key_data.as_option().unwrap();
        assert_eq!(data.timestamp, Some(1_760_000_000_000));
        let fingerprint = data.fingerprint.as_option().unwrap();
        assert_eq!(fingerprint.current_index, Some(u32::from(n)));
        assert_eq!(
            fingerprint.device_indexes,
            (0..=u32::from(n)).collect::<Vec<_>>()
        );
        seen.push((id, data.key_data.clone().unwrap()));
    }
    let key = ada.app_state_key();
    assert_eq!(seen, vec![(key.id.to_vec(), key.data.to_vec()); 2]);
}

#[test]
fn requests_for_keys_are_recognised() {
    let mut request = wa::Message::default();
    let protocol = request.protocol_message.get_or_insert_default();
    protocol.r#type = Some(wa::message::protocol_message::Type::APP_STATE_SYNC_KEY_REQUEST);
    assert!(asks_for_app_state_keys(&request));
    assert!(!asks_for_app_state_keys(&phone(1).key_share_message(NOW)));
    assert!(!asks_for_app_state_keys(&wa::Message::default()));
}
