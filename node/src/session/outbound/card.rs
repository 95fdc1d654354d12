//! The contact card of somebody the store may know.

use switchboard_vocab::contacts::Contact;
use switchboard_vocab::content::Card;
use switchboard_vocab::{ErrorCode, OpError, UserId};

use crate::session::context::SessionCx;

/// The card of a person with a phone number. They are called as in the address book, else as they call themselves.
pub(super) async fn of(user: &UserId, number: &str, cx: &SessionCx) -> Result<Card, OpError> {
    let Some(digits) = user.as_phone() else {
        let text = "only somebody whose phone number is known has a contact card";
        return Err(OpError::new(ErrorCode::InvalidInput, text));
    };
    let known = cx.journal().contact(user).await?;
    Ok(card(known.as_ref(), digits, number))
}

fn card(known: Option<&Contact>, digits: &str, number: &str) -> Card {
    let names = known.map(|known| [&known.name, &known.verified_name, &known.push_name]);
    let named = names.into_iter().flatten().flatten();
    let mut named = named.map(String::as_str);
    let name = named.find(|name| !name.trim().is_empty());
    let name = name.unwrap_or(number).to_owned();
    let shown = escaped(&name);
    // Source: RFC 2426; `waid` is what WhatsApp's own clients add to a number that has an account.
    let vcard = format!(
        "BEGIN:VCARD\nVERSION:3.0\nN:;{shown};;;\nFN:{shown}\nTEL;type=CELL;waid={digits}:{number}\nEND:VCARD"
    );
    Card { name, vcard }
}

/// A text value of a card. Source: RFC 2426, section 5: these characters have a backslash before them.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ',' | ';' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> Contact {
        Contact::unknown(UserId::phone("4915112345678").unwrap())
    }

    #[test]
    fn cards_carry_the_name_of_the_address_book() {
        let mut known = anna();
        known.push_name = Some("annie".to_owned());
        let number = "+49 1511 2345678";
        assert_eq!(card(Some(&known), "4915112345678", number).name, "annie");
        known.name = Some("Meyer, Anna".to_owned());
        let card = card(Some(&known), "4915112345678", number);
        assert_eq!(card.name, "Meyer, Anna");
        let lines: Vec<_> = card.vcard.lines().collect();
        let expected = [
            "BEGIN:VCARD",
            "VERSION:3.0",
            "N:;Meyer\\, Anna;;;",
            "FN:Meyer\\, Anna",
            "TEL;type=CELL;waid=4915112345678:+49 1511 2345678",
            "END:VCARD",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn strangers_are_called_by_their_number() {
        let number = "+49 1511 2345678";
        for known in [None, Some(anna())] {
            let card = card(known.as_ref(), "4915112345678", number);
            assert_eq!(card.name, number);
        }
    }
}
