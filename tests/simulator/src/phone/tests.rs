//! Witnesses for the phone double. Where a client library has the other half of an exchange, it is the witness.

mod groups;
mod linking;
mod media;
mod reading;
mod size;
mod talk;

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use waproto::whatsapp as wa;

use super::{DeviceAddress, EncKind, Opened, Phone, text_message};

const NOW: u64 = 1_760_000_000;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn phone(number: u64) -> Phone {
    Phone::new(number, number + 900_000_000_000_000, "Ada", 7)
}

fn text_of(message: &wa::Message) -> &str {
    message.conversation.as_deref().unwrap()
}

/// Sends a text from one phone to another, with a bundle if one is needed, and returns what arrives.
fn say(from: &mut Phone, to: &mut Phone, text: &str, rng: &mut ChaCha20Rng) -> (EncKind, Opened) {
    let bundle = (!from.has_session(to.address())).then(|| to.bundle(true).unwrap());
    let message = text_message(text, rng);
    let enc = from
        .encrypt(to.address(), bundle.as_ref(), &message, rng)
        .unwrap();
    let opened = to
        .decrypt(from.address(), enc.kind, &enc.bytes, rng)
        .unwrap();
    assert_eq!(opened.message, message);
    (enc.kind, opened)
}

fn device(number: u64, device: u16) -> DeviceAddress {
    DeviceAddress::new(number, device)
}
