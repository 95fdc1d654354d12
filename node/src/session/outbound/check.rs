//! The limits of what can be sent, as the vocabulary names them.

use switchboard_vocab::content::{
    Action, BUTTONS_MAX, Button, CARDS_MAX, Card, Content, Interactive, LinkPreview, Location,
    MediaKind, NewEvent, NewPoll, OutgoingMedia, POLL_OPTIONS_MAX, POLL_OPTIONS_MIN, ROWS_MAX,
    Text,
};
use switchboard_vocab::messages::{CAPTION_LEN_MAX, SendMessage, TEXT_LEN_MAX, TYPING_MAX};
use switchboard_vocab::{ErrorCode, OpError};

/// Values of a voice note's loudness. Source: WhatsApp's own clients show 64 bars.
const WAVEFORM_LEN: usize = 64;
/// Highest of these values.
const WAVEFORM_VALUE_MAX: u8 = 100;
/// Most contact cards of one message. Source: the limit WhatsApp's own clients enforce.
const CARDS_OF_CONTACTS_MAX: usize = 257;
/// Longest vCard, in bytes.
const VCARD_LEN_MAX: usize = 65_536;
/// Most people one message mentions. Source: a group has at most 1,024 members.
const MENTIONS_MAX: usize = 1_024;
/// Longest short text inside a message (question, option, name, label), in characters.
const LABEL_LEN_MAX: usize = 1_024;

pub(super) fn message(op: &SendMessage) -> Result<(), OpError> {
    if op.typing.is_some_and(|period| period > TYPING_MAX) {
        let text = format!("typing lasts at most {} seconds", TYPING_MAX.as_secs());
        return Err(OpError::invalid(text));
    }
    match &op.content {
        Content::Text(text) => self::text(text),
        Content::Media(media) => self::media(media),
        Content::Location(place) => location(place),
        Content::LiveLocation(place) => {
            degrees(place.latitude, place.longitude)?;
            within(
                "the caption",
                place.caption.as_deref().unwrap_or_default(),
                CAPTION_LEN_MAX,
            )
        }
        Content::Contacts { cards } => contacts(cards),
        Content::Person { number, .. } => within("the number", number, LABEL_LEN_MAX),
        Content::Poll(poll) => self::poll(poll),
        Content::Event(event) => self::event(event),
        Content::Interactive(interactive) => self::interactive(interactive),
    }
}

fn text(text: &Text) -> Result<(), OpError> {
    filled("the text", &text.body)?;
    within("the text", &text.body, TEXT_LEN_MAX)?;
    mentions(text.mentions.len())?;
    if let LinkPreview::Given(given) = &text.preview {
        let link = given.link.as_deref();
        if link.is_some_and(|link| !text.body.contains(link)) {
            return Err(OpError::invalid(
                "the link of the preview is not in the text",
            ));
        }
        within("the preview's title", &given.title, LABEL_LEN_MAX)?;
        let description = given.description.as_deref().unwrap_or_default();
        within("the preview's description", description, LABEL_LEN_MAX)?;
    }
    Ok(())
}

pub(super) fn media(media: &OutgoingMedia) -> Result<(), OpError> {
    within(
        "the caption",
        media.caption.as_deref().unwrap_or_default(),
        CAPTION_LEN_MAX,
    )?;
    mentions(media.mentions.len())?;
    let once = matches!(
        media.as_kind,
        MediaKind::Image | MediaKind::Video | MediaKind::Voice
    );
    if media.view_once && !once {
        let text = "only pictures, films and voice notes can be opened once only";
        return Err(OpError::invalid(text));
    }
    if let Some(waveform) = &media.waveform {
        let fits = waveform.len() == WAVEFORM_LEN
            && waveform.iter().all(|value| *value <= WAVEFORM_VALUE_MAX);
        if !fits {
            let text =
                format!("a waveform has {WAVEFORM_LEN} values from 0 to {WAVEFORM_VALUE_MAX}");
            return Err(OpError::invalid(text));
        }
    }
    Ok(())
}

fn location(place: &Location) -> Result<(), OpError> {
    degrees(place.latitude, place.longitude)?;
    within(
        "the place's name",
        place.name.as_deref().unwrap_or_default(),
        LABEL_LEN_MAX,
    )?;
    within(
        "the address",
        place.address.as_deref().unwrap_or_default(),
        LABEL_LEN_MAX,
    )?;
    within(
        "the comment",
        place.comment.as_deref().unwrap_or_default(),
        CAPTION_LEN_MAX,
    )
}

fn degrees(north: f64, east: f64) -> Result<(), OpError> {
    if !(-90.0..=90.0).contains(&north) {
        return Err(OpError::invalid("the latitude must be from -90 to 90"));
    }
    if !(-180.0..=180.0).contains(&east) {
        return Err(OpError::invalid("the longitude must be from -180 to 180"));
    }
    Ok(())
}

fn contacts(cards: &[Card]) -> Result<(), OpError> {
    if cards.is_empty() || cards.len() > CARDS_OF_CONTACTS_MAX {
        let text = format!("name 1 to {CARDS_OF_CONTACTS_MAX} contact cards");
        return Err(OpError::invalid(text));
    }
    for card in cards {
        filled("the name of a contact card", &card.name)?;
        within("the name of a contact card", &card.name, LABEL_LEN_MAX)?;
        filled("a contact card", &card.vcard)?;
        if card.vcard.len() > VCARD_LEN_MAX {
            let text = format!("a contact card has more than {VCARD_LEN_MAX} bytes");
            return Err(OpError::new(ErrorCode::TooLarge, text));
        }
    }
    Ok(())
}

fn poll(poll: &NewPoll) -> Result<(), OpError> {
    filled("the question", &poll.question)?;
    within("the question", &poll.question, LABEL_LEN_MAX)?;
    let count = poll.options.len();
    if !(POLL_OPTIONS_MIN..=POLL_OPTIONS_MAX).contains(&count) {
        let text = format!("a poll has {POLL_OPTIONS_MIN} to {POLL_OPTIONS_MAX} options");
        return Err(OpError::invalid(text));
    }
    let mut seen = std::collections::BTreeSet::new();
    for option in &poll.options {
        filled("an option", option)?;
        within("an option", option, LABEL_LEN_MAX)?;
        if !seen.insert(option) {
            return Err(OpError::invalid(format!(
                "the option {option:?} is there twice"
            )));
        }
    }
    let most = poll.choices_max.map(usize::try_from);
    match most {
        Some(Ok(most)) if (1..=count).contains(&most) => Ok(()),
        None => Ok(()),
        Some(_) => Err(OpError::invalid(
            "the number of choices must be from 1 to the number of options",
        )),
    }
}

fn event(event: &NewEvent) -> Result<(), OpError> {
    filled("the event's name", &event.name)?;
    within("the event's name", &event.name, LABEL_LEN_MAX)?;
    let description = event.description.as_deref().unwrap_or_default();
    within("the event's description", description, TEXT_LEN_MAX)?;
    if event.end.is_some_and(|end| end < event.start) {
        return Err(OpError::invalid("the event ends before it begins"));
    }
    event.location.as_ref().map_or(Ok(()), location)
}

fn interactive(interactive: &Interactive) -> Result<(), OpError> {
    filled("the text", &interactive.body)?;
    within("the text", &interactive.body, TEXT_LEN_MAX)?;
    within(
        "the header",
        interactive.header.as_deref().unwrap_or_default(),
        LABEL_LEN_MAX,
    )?;
    within(
        "the footer",
        interactive.footer.as_deref().unwrap_or_default(),
        LABEL_LEN_MAX,
    )?;
    interactive.media.as_ref().map_or(Ok(()), media)?;
    match &interactive.action {
        Action::Buttons { buttons } => self::buttons(buttons, 1),
        Action::List { label, sections } => {
            filled("the label of the list", label)?;
            within("the label of the list", label, LABEL_LEN_MAX)?;
            let rows = || sections.iter().flat_map(|section| &section.rows);
            if !(1..=ROWS_MAX).contains(&rows().count()) {
                return Err(OpError::invalid(format!("a list has 1 to {ROWS_MAX} rows")));
            }
            for row in rows() {
                filled("the title of a row", &row.title)?;
                within("the title of a row", &row.title, LABEL_LEN_MAX)?;
                within("the id of a row", &row.id, LABEL_LEN_MAX)?;
            }
            Ok(())
        }
        Action::Carousel { cards } => {
            if !(1..=CARDS_MAX).contains(&cards.len()) {
                return Err(OpError::invalid(format!(
                    "a carousel has 1 to {CARDS_MAX} cards"
                )));
            }
            for card in cards {
                within("the text of a card", &card.body, TEXT_LEN_MAX)?;
                card.media.as_ref().map_or(Ok(()), media)?;
                buttons(&card.buttons, 0)?;
            }
            Ok(())
        }
    }
}

fn buttons(buttons: &[Button], min: usize) -> Result<(), OpError> {
    if !(min..=BUTTONS_MAX).contains(&buttons.len()) {
        return Err(OpError::invalid(format!(
            "name {min} to {BUTTONS_MAX} buttons"
        )));
    }
    for button in buttons {
        let (title, value) = match button {
            Button::Reply { id, title } => (title, id),
            Button::Url { title, url } => (title, url),
            Button::Call { title, phone } => (title, phone),
            Button::Copy { title, code } => (title, code),
        };
        filled("the title of a button", title)?;
        within("the title of a button", title, LABEL_LEN_MAX)?;
        filled("the value of a button", value)?;
        within("the value of a button", value, TEXT_LEN_MAX)?;
    }
    Ok(())
}

pub(super) fn mentions(count: usize) -> Result<(), OpError> {
    if count > MENTIONS_MAX {
        let text = format!("a message mentions at most {MENTIONS_MAX} people");
        return Err(OpError::invalid(text));
    }
    Ok(())
}

pub(super) fn filled(what: &str, text: &str) -> Result<(), OpError> {
    if text.is_empty() {
        return Err(OpError::invalid(format!("{what} is empty")));
    }
    Ok(())
}

pub(super) fn within(what: &str, text: &str, max: usize) -> Result<(), OpError> {
    // Bytes first: a text with few enough of them needs no counting.
    if text.len() > max && text.chars().count() > max {
        let text = format!("{what} is longer than {max} characters");
        return Err(OpError::new(ErrorCode::TooLarge, text));
    }
    Ok(())
}
