use sha2::{Digest as _, Sha256};
use wacore::download::{DownloadUtils, MediaType};

use super::super::{
    MediaDetails, MediaError, MediaKind, MediaRef, SealedMedia, StoredAt, media_message,
    open_media, seal_media,
};
use super::*;

const KINDS: [(MediaKind, MediaType); 5] = [
    (MediaKind::Image, MediaType::Image),
    (MediaKind::Video, MediaType::Video),
    (MediaKind::Audio, MediaType::Audio),
    (MediaKind::Document, MediaType::Document),
    (MediaKind::Sticker, MediaType::Sticker),
];

fn message(media: &SealedMedia, rng: &mut ChaCha20Rng) -> wa::Message {
    let at = StoredAt {
        url: "https://media.test/mms/x".into(),
        direct_path: "/mms/x".into(),
    };
    let details = MediaDetails {
        mimetype: "application/pdf".into(),
        caption: Some("look".into()),
        file_name: Some("a.pdf".into()),
        ..MediaDetails::default()
    };
    media_message(media, at, details, NOW, rng)
}

#[test]
fn clients_open_what_a_phone_seals_and_the_other_way_round() {
    let mut rng = rng(1);
    for (kind, theirs) in KINDS {
        for length in [0, 1, 15, 16, 17, 100_000] {
            let plain: Vec<u8> = (0..length).map(|n: usize| n.to_le_bytes()[0]).collect();
            let ours = seal_media(kind, &plain, &mut rng).unwrap();
            assert_eq!(ours.file_enc_sha256, *Sha256::digest(&ours.bytes));
            let opened =
                DownloadUtils::verify_and_decrypt(&ours.bytes, &ours.media_key, theirs).unwrap();
            assert_eq!(opened, plain);

            let other =
                wacore::upload::encrypt_media_with_key(&plain, theirs, Some(&ours.media_key))
                    .unwrap();
            assert_eq!(other.data_to_upload, ours.bytes);
            assert_eq!(other.file_sha256, ours.file_sha256);
            assert_eq!(other.file_enc_sha256, ours.file_enc_sha256);
            let file = MediaRef::of(&message(&ours, &mut rng)).unwrap().unwrap();
            assert_eq!((file.kind, file.direct_path.as_str()), (kind, "/mms/x"));
            assert_eq!(open_media(&file, &other.data_to_upload).unwrap(), plain);
        }
    }
}

#[test]
fn every_check_is_made() {
    let mut rng = rng(2);
    let sealed = seal_media(MediaKind::Document, b"sixteen bytes!!!", &mut rng).unwrap();
    let open = |sealed: &SealedMedia, stored: &[u8]| {
        let file = MediaRef::of(&message(sealed, &mut self::rng(3)))
            .unwrap()
            .unwrap();
        open_media(&file, stored)
    };
    assert!(open(&sealed, &sealed.bytes).is_ok());

    let mut damaged = sealed.bytes.clone();
    damaged[0] ^= 1;
    assert!(matches!(
        open(&sealed, &damaged),
        Err(MediaError::EncryptedHash)
    ));

    // A host that swaps the file and a sender who hashes the swapped one.
    let mut forged = sealed.clone();
    forged.file_enc_sha256 = Sha256::digest(&damaged).into();
    assert!(matches!(
        open(&forged, &damaged),
        Err(MediaError::Authentication)
    ));
    forged.file_enc_sha256 = Sha256::digest(b"short").into();
    assert!(matches!(
        open(&forged, b"short"),
        Err(MediaError::Authentication)
    ));

    let mut forged = sealed.clone();
    forged.file_sha256[0] ^= 1;
    assert!(matches!(
        open(&forged, &sealed.bytes),
        Err(MediaError::PlainHash)
    ));

    let mut forged = sealed.clone();
    forged.file_length += 1;
    assert!(matches!(
        open(&forged, &sealed.bytes),
        Err(MediaError::Length { .. })
    ));

    let mut forged = sealed.clone();
    forged.kind = MediaKind::Image;
    assert!(matches!(
        open(&forged, &sealed.bytes),
        Err(MediaError::Authentication)
    ));
}

#[test]
fn incomplete_references_are_refused() {
    let mut rng = rng(4);
    let sealed = seal_media(MediaKind::Image, b"x", &mut rng).unwrap();
    let complete = message(&sealed, &mut rng);
    let check = |change: fn(&mut wa::message::ImageMessage), what: &str| {
        let mut message = complete.clone();
        change(message.image_message.as_option_mut().unwrap());
        let error = MediaRef::of(&message).unwrap_err();
        assert!(
            matches!(error, MediaError::Missing(field) if field.contains(what)),
            "{error}"
        );
    };
    check(|m| m.direct_path = None, "direct path");
    check(|m| m.direct_path = Some(String::new()), "direct path");
    check(|m| m.media_key = Some(vec![1; 31]), "media key");
    check(|m| m.file_sha256 = None, "sha-256 of the file");
    check(|m| m.file_enc_sha256 = None, "encrypted");
    assert_eq!(
        MediaRef::of(&text_message("no file", &mut rng)).unwrap(),
        None
    );
}
