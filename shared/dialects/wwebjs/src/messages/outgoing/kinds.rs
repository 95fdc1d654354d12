//! What can be sent besides words and files: places, contact cards, polls, buttons and lists.

use std::collections::HashSet;

use serde::Deserialize;
use switchboard_dialect_kit::{Refusal, Reject, lenient};
use switchboard_vocab::content::{
    Action, BUTTONS_MAX, Button, Card, Content, Interactive, Location, NewPoll, POLL_OPTIONS_MAX,
    POLL_OPTIONS_MIN, ROWS_MAX, Row, Section,
};
use switchboard_vocab::messages::TEXT_LEN_MAX;

use crate::ids::{self, at_most, invalid, refused};
use crate::numbers;

/// Longest question and option of a poll, name of a place and words of a button or row, in characters.
const LABEL_LEN_MAX: usize = 255;

/// `Location`.
#[derive(Deserialize)]
pub(super) struct Place {
    latitude: f64,
    longitude: f64,
    name: Option<String>,
    address: Option<String>,
    url: Option<String>,
    /// Name and address, one line each. Source: what the library makes of it.
    description: Option<String>,
}

impl Place {
    pub(super) fn content(self) -> Result<Content, Reject> {
        if !(-90.0..=90.0).contains(&self.latitude) {
            return Err(invalid("content.latitude", "-90 to 90 is expected"));
        }
        if !(-180.0..=180.0).contains(&self.longitude) {
            return Err(invalid("content.longitude", "-180 to 180 is expected"));
        }
        let description = self.description.unwrap_or_default();
        let mut lines = description.splitn(2, '\n');
        let mut line = || lines.next().map(str::to_owned);
        let (first, second) = (line(), line());
        let set = |text: &String| !text.is_empty();
        let name = self.name.or(first).filter(set);
        let address = self.address.or(second).filter(set);
        for text in name.iter().chain(&address) {
            at_most("content.description", text, LABEL_LEN_MAX)?;
        }
        Ok(Content::Location(Location {
            latitude: self.latitude,
            longitude: self.longitude,
            name,
            address,
            url: self.url.filter(set),
            ..Location::default()
        }))
    }
}

/// `Contact`: whose card is sent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Person {
    contact_id: String,
}

impl Person {
    /// The card of a number, with the name the store knows.
    pub(super) fn content(self) -> Result<Content, Reject> {
        let user = ids::user_id("content.contactId", &self.contact_id)?;
        let Some(digits) = user.as_phone() else {
            return Err(refused("content.contactId", Refusal::NotOnLinkedDevice));
        };
        let number = numbers::formatted(digits);
        Ok(Content::Person { user, number })
    }
}

/// A text that is a contact card.
pub(super) fn card(vcard: String) -> Result<Content, Reject> {
    at_most("content", &vcard, TEXT_LEN_MAX)?;
    let named = vcard.lines().find_map(|line| {
        let (property, value) = line.trim_end().split_once(':')?;
        let name = property.split(';').next()?;
        (name.eq_ignore_ascii_case("FN") && !value.is_empty()).then(|| value.to_owned())
    });
    let name = named.ok_or_else(|| invalid("content", "the card has no line FN with a name"))?;
    Ok(Content::Contacts {
        cards: vec![Card { name, vcard }],
    })
}

/// `Poll`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Poll {
    poll_name: String,
    poll_options: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    options: PollOptions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PollOptions {
    #[serde(default, deserialize_with = "lenient::optional_boolean")]
    allow_multiple_answers: Option<bool>,
}

impl Poll {
    pub(super) fn content(self) -> Result<Content, Reject> {
        let (question, options) = (self.poll_name.trim(), &self.poll_options);
        label("content.pollName", question)?;
        if !(POLL_OPTIONS_MIN..=POLL_OPTIONS_MAX).contains(&options.len()) {
            let wanted = format!("{POLL_OPTIONS_MIN} to {POLL_OPTIONS_MAX} options are expected");
            return Err(invalid("content.pollOptions", wanted));
        }
        let options: Vec<String> = options.iter().map(|name| name.trim().to_owned()).collect();
        for option in &options {
            label("content.pollOptions", option)?;
        }
        if options.iter().collect::<HashSet<_>>().len() < options.len() {
            return Err(invalid("content.pollOptions", "two of them are the same"));
        }
        let many = self.options.allow_multiple_answers == Some(true);
        Ok(Content::Poll(NewPoll {
            question: question.to_owned(),
            options,
            choices_max: (!many).then_some(1),
        }))
    }
}

/// `Buttons`.
#[derive(Deserialize)]
pub(super) struct Buttons {
    body: String,
    buttons: Vec<NewButton>,
    title: Option<String>,
    footer: Option<String>,
}

#[derive(Deserialize)]
struct NewButton {
    body: String,
    #[serde(default, deserialize_with = "lenient::optional_text")]
    id: Option<String>,
}

impl Buttons {
    pub(super) fn content(self) -> Result<Content, Reject> {
        if !(1..=BUTTONS_MAX).contains(&self.buttons.len()) {
            let wanted = format!("1 to {BUTTONS_MAX} buttons are expected");
            return Err(invalid("content.buttons", wanted));
        }
        let mut buttons = Vec::with_capacity(self.buttons.len());
        for (at, button) in self.buttons.into_iter().enumerate() {
            label("content.buttons.body", &button.body)?;
            buttons.push(Button::Reply {
                id: given_or_place(button.id, at),
                title: button.body,
            });
        }
        let action = Action::Buttons { buttons };
        interactive(self.title, self.body, self.footer, action)
    }
}

/// `List`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    body: String,
    button_text: String,
    sections: Vec<NewSection>,
    title: Option<String>,
    footer: Option<String>,
}

#[derive(Deserialize)]
struct NewSection {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    title: Option<String>,
    rows: Vec<NewRow>,
}

#[derive(Deserialize)]
struct NewRow {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    id: Option<String>,
    title: String,
    description: Option<String>,
}

impl List {
    pub(super) fn content(self) -> Result<Content, Reject> {
        label("content.buttonText", &self.button_text)?;
        let rows = self.sections.iter().map(|section| section.rows.len());
        if !(1..=ROWS_MAX).contains(&rows.sum()) {
            let wanted = format!("1 to {ROWS_MAX} rows in all are expected");
            return Err(invalid("content.sections", wanted));
        }
        let several = self.sections.len() > 1;
        let mut at = 0;
        let mut sections = Vec::with_capacity(self.sections.len());
        for section in self.sections {
            let title = section.title.unwrap_or_default();
            if several && title.is_empty() {
                let wanted = "each of several sections has a title";
                return Err(invalid("content.sections.title", wanted));
            }
            let mut rows = Vec::with_capacity(section.rows.len());
            for row in section.rows {
                label("content.sections.rows.title", &row.title)?;
                rows.push(Row {
                    id: given_or_place(row.id, at),
                    title: row.title,
                    description: row.description.filter(|text| !text.is_empty()),
                });
                at += 1;
            }
            sections.push(Section { title, rows });
        }
        let action = Action::List {
            label: self.button_text,
            sections,
        };
        interactive(self.title, self.body, self.footer, action)
    }
}

fn interactive(
    header: Option<String>,
    body: String,
    footer: Option<String>,
    action: Action,
) -> Result<Content, Reject> {
    if body.is_empty() {
        return Err(invalid("content.body", "it is empty"));
    }
    at_most("content.body", &body, TEXT_LEN_MAX)?;
    Ok(Content::Interactive(Interactive {
        header: header.filter(|text| !text.is_empty()),
        media: None,
        body,
        footer: footer.filter(|text| !text.is_empty()),
        action,
    }))
}

/// The id somebody gave, or its place in the message: an answer repeats it, so it must be told apart from the others.
fn given_or_place(id: Option<String>, at: usize) -> String {
    id.filter(|id| !id.is_empty())
        .unwrap_or_else(|| format!("id-{at}"))
}

fn label(field: &str, text: &str) -> Result<(), Reject> {
    if text.trim().is_empty() {
        return Err(invalid(field, "it is empty"));
    }
    at_most(field, text, LABEL_LEN_MAX)
}
