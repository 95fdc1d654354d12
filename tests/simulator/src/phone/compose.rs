//! From what a user wants to send to a message: every kind of content, and what refers to earlier
//! messages. Files come ready from [`super::media_message`].

mod context;
mod interactive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::{CryptoRng, Rng};
use wacore::secret_enc_addon::{AddonContext, ModificationType, encrypt_addon};
use waproto::whatsapp as wa;

use self::context::Reference;
use super::{Known, Phone, outgoing};
use crate::draft::{self, Outgoing};

/// Fewest and most options of a poll. Source: WhatsApp's limits.
const POLL_OPTIONS: std::ops::RangeInclusive<usize> = 2..=12;

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The phone does not know the message that is referred to, or not any more.
    #[error("compose: the phone does not know message {0:?}")]
    Unknown(String),
    /// The message has no secret to derive a key from.
    #[error("compose: message {0:?} has no secret")]
    NoSecret(String),
    /// The draft contradicts itself.
    #[error("compose: {0}")]
    Invalid(&'static str),
    /// Encryption failed.
    #[error("compose: encrypt the content of message {0:?}")]
    Cipher(String),
}

/// Where a message goes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Address of the chat, as in the stanza.
    pub chat: String,
    /// Whether its members are named in keys: groups and stories.
    pub group: bool,
    /// Whether people are addressed by LID there.
    pub by_lid: bool,
    /// Now, in Unix seconds.
    pub now_s: u64,
}

impl Destination {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.now_s.saturating_mul(1000)).unwrap_or(i64::MAX)
    }
}

/// How many kinds of content a draft has.
fn kinds(out: &Outgoing) -> usize {
    [
        out.media.is_some(),
        out.location.is_some(),
        !out.contacts.is_empty(),
        out.poll.is_some(),
        out.vote.is_some(),
        out.reaction.is_some(),
        out.edit.is_some(),
        out.revoke.is_some(),
        out.pin.is_some(),
        out.event.is_some(),
        out.event_response.is_some(),
        out.timer.is_some(),
        out.buttons.is_some(),
        out.list.is_some(),
        out.template.is_some(),
        out.interactive.is_some(),
        out.reply.is_some(),
        out.group_invite.is_some(),
        out.album.is_some(),
        out.raw.is_some(),
    ]
    .into_iter()
    .filter(|there| *there)
    .count()
}

impl Phone {
    /// Makes the message of a draft. `file` is the message about its file, if it has one.
    ///
    /// # Errors
    /// When the draft contradicts itself or refers to what the phone does not know.
    pub fn compose<R: Rng + CryptoRng>(
        &self,
        out: &Outgoing,
        file: Option<wa::Message>,
        to: &Destination,
        rng: &mut R,
    ) -> Result<wa::Message, ComposeError> {
        if kinds(out) > 1 {
            return Err(ComposeError::Invalid("more than one kind of content"));
        }
        if let Some(raw) = &out.raw {
            let bytes = STANDARD.decode(raw);
            let bytes = bytes.map_err(|_| ComposeError::Invalid("raw is not base64"))?;
            return waproto::codec::message_decode(&bytes)
                .map_err(|_| ComposeError::Invalid("raw is not an encoded message"));
        }
        if let Some(message) = self.about_others(out, to)? {
            return Ok(with_secret(message, rng));
        }
        let mut message = match file {
            Some(file) => file,
            None => with_secret(self.content(out)?, rng),
        };
        let mut reference = Reference::new(out);
        let quoted = out.quote.as_deref().or(out.reply.as_ref().map(|r| &*r.to));
        if let Some(id) = quoted {
            reference.quote(self.find(id)?, id, to);
        }
        reference.apply(&mut message)?;
        if out.view_once {
            message = wrap_view_once(message);
        }
        if let Some(album) = &out.album_id {
            let (key, _) = self.key(album, to)?;
            message = wacore::proto_helpers::wrap_as_album_child(message, key);
        }
        Ok(message)
    }

    /// Content that stands for itself.
    fn content(&self, out: &Outgoing) -> Result<wa::Message, ComposeError> {
        let mut message = wa::Message::default();
        if let Some(place) = &out.location {
            if place.live {
                message.live_location_message = live_place(place, &out.text).into();
            } else {
                message.location_message = fixed_place(place).into();
            }
        } else if let Some(poll) = &out.poll {
            let poll_message = poll_message(poll)?;
            if poll.selectable == 1 {
                message.poll_creation_message_v3 = poll_message.into();
            } else {
                message.poll_creation_message = poll_message.into();
            }
        } else if let Some(event) = &out.event {
            message.event_message = event_message(event).into();
        } else if let Some(invite) = &out.group_invite {
            message.group_invite_message = wa::message::GroupInviteMessage {
                group_jid: Some(invite.group.clone()),
                invite_code: Some(invite.code.clone()),
                invite_expiration: invite.expires,
                group_name: Some(invite.name.clone()),
                caption: text_of(&out.text),
                ..Default::default()
            }
            .into();
        } else if let Some(album) = &out.album {
            message.album_message = wa::message::AlbumMessage {
                expected_image_count: Some(album.images),
                expected_video_count: Some(album.videos),
                ..Default::default()
            }
            .into();
        } else if !out.contacts.is_empty() {
            contact_cards(&mut message, &out.contacts, &out.text);
        } else if !interactive::content(&mut message, out)? {
            message.conversation = Some(out.text.clone());
        }
        Ok(message)
    }

    /// Content about an earlier message, or about the chat itself.
    fn about_others(
        &self,
        out: &Outgoing,
        to: &Destination,
    ) -> Result<Option<wa::Message>, ComposeError> {
        let message = if let Some(reaction) = &out.reaction {
            let (key, _) = self.key(&reaction.id, to)?;
            wacore::proto_helpers::build_reaction_message(key, &reaction.emoji, to.now_ms())
        } else if let Some(id) = &out.edit {
            self.edit(id, &out.text, to)?
        } else if let Some(id) = &out.revoke {
            let (key, _) = self.key(id, to)?;
            protocol(wa::message::ProtocolMessage {
                key: key.into(),
                r#type: Some(wa::message::protocol_message::Type::REVOKE),
                ..Default::default()
            })
        } else if let Some(pin) = &out.pin {
            self.pin(pin, to)?
        } else if let Some(vote) = &out.vote {
            self.vote(vote, to)?
        } else if let Some(response) = &out.event_response {
            self.event_response(response, to)?
        } else if let Some(seconds) = out.timer {
            protocol(wa::message::ProtocolMessage {
                r#type: Some(wa::message::protocol_message::Type::EPHEMERAL_SETTING),
                ephemeral_expiration: Some(seconds),
                ephemeral_setting_timestamp: i64::try_from(to.now_s).ok(),
                ..Default::default()
            })
        } else {
            return Ok(None);
        };
        Ok(Some(message))
    }

    fn find(&self, id: &str) -> Result<&Known, ComposeError> {
        self.known(id)
            .ok_or_else(|| ComposeError::Unknown(id.to_owned()))
    }

    /// The key of an earlier message in this chat.
    fn key(&self, id: &str, to: &Destination) -> Result<(wa::MessageKey, &Known), ComposeError> {
        let known = self.find(id)?;
        let key = wa::MessageKey {
            remote_jid: Some(to.chat.clone()),
            from_me: Some(known.author == self.person()),
            id: Some(id.to_owned()),
            participant: to.group.then(|| known.author.jid(to.by_lid)),
        };
        Ok((key, known))
    }

    fn edit(&self, id: &str, text: &str, to: &Destination) -> Result<wa::Message, ComposeError> {
        let (key, known) = self.key(id, to)?;
        let mut edited = known.message();
        edited.message_context_info = None.into();
        let caption = text_of(text);
        if let Some(image) = edited.image_message.as_option_mut() {
            image.caption = caption;
        } else if let Some(video) = edited.video_message.as_option_mut() {
            video.caption = caption;
        } else if let Some(document) = edited.document_message.as_option_mut() {
            document.caption = caption;
        } else {
            edited = wa::Message {
                conversation: Some(text.to_owned()),
                ..Default::default()
            };
        }
        let inner = protocol(wa::message::ProtocolMessage {
            key: key.into(),
            r#type: Some(wa::message::protocol_message::Type::MESSAGE_EDIT),
            edited_message: edited.into(),
            timestamp_ms: Some(to.now_ms()),
            ..Default::default()
        });
        Ok(wa::Message {
            edited_message: wa::message::FutureProofMessage {
                message: inner.into(),
            }
            .into(),
            ..Default::default()
        })
    }

    fn pin(&self, pin: &draft::Pin, to: &Destination) -> Result<wa::Message, ComposeError> {
        use wa::message::pin_in_chat_message::Type;
        let (key, _) = self.key(&pin.id, to)?;
        let pinned = pin.seconds > 0;
        Ok(wa::Message {
            pin_in_chat_message: wa::message::PinInChatMessage {
                key: key.into(),
                r#type: Some(if pinned {
                    Type::PIN_FOR_ALL
                } else {
                    Type::UNPIN_FOR_ALL
                }),
                sender_timestamp_ms: Some(to.now_ms()),
            }
            .into(),
            message_context_info: wa::MessageContextInfo {
                message_add_on_duration_in_secs: pinned.then_some(pin.seconds),
                ..Default::default()
            }
            .into(),
            ..Default::default()
        })
    }

    /// Encrypts with the secret of an earlier message.
    fn seal(
        &self,
        id: &str,
        plaintext: &[u8],
        kind: ModificationType,
        to: &Destination,
    ) -> Result<(Vec<u8>, [u8; 12]), ComposeError> {
        let known = self.find(id)?;
        let secret = known.secret();
        let secret = secret.ok_or_else(|| ComposeError::NoSecret(id.to_owned()))?;
        let context = AddonContext {
            stanza_id: id,
            parent_msg_original_sender: &known.author.jid(to.by_lid),
            modification_sender: &self.person().jid(to.by_lid),
            modification_type: kind,
        };
        encrypt_addon(plaintext, &secret, &context).map_err(|_| ComposeError::Cipher(id.to_owned()))
    }

    fn vote(&self, vote: &draft::Vote, to: &Destination) -> Result<wa::Message, ComposeError> {
        use buffa::Message as _;
        let (key, known) = self.key(&vote.poll, to)?;
        let offered = super::poll_options(&known.message());
        if vote.options.iter().any(|option| !offered.contains(option)) {
            return Err(ComposeError::Invalid("the poll has no such option"));
        }
        let hashes = vote.options.iter();
        let choice = wa::message::PollVoteMessage {
            selected_options: hashes
                .map(|name| wacore::poll::compute_option_hash(name).to_vec())
                .collect(),
        };
        let plaintext = choice.encode_to_vec();
        let kind = ModificationType::PollVote;
        let (payload, iv) = self.seal(&vote.poll, &plaintext, kind, to)?;
        let update = wa::message::PollUpdateMessage {
            poll_creation_message_key: key.into(),
            vote: wa::message::PollEncValue {
                enc_payload: Some(payload),
                enc_iv: Some(iv.to_vec()),
            }
            .into(),
            sender_timestamp_ms: Some(to.now_ms()),
            ..Default::default()
        };
        Ok(wa::Message {
            poll_update_message: update.into(),
            ..Default::default()
        })
    }

    fn event_response(
        &self,
        response: &draft::EventResponse,
        to: &Destination,
    ) -> Result<wa::Message, ComposeError> {
        use buffa::Message as _;
        use wa::message::event_response_message::EventResponseType;
        let (key, _) = self.key(&response.event, to)?;
        let answer = wa::message::EventResponseMessage {
            response: Some(match response.answer {
                draft::EventAnswer::Going => EventResponseType::GOING,
                draft::EventAnswer::NotGoing => EventResponseType::NOT_GOING,
                draft::EventAnswer::Maybe => EventResponseType::MAYBE,
            }),
            timestamp_ms: Some(to.now_ms()),
            ..Default::default()
        };
        let plaintext = answer.encode_to_vec();
        let kind = ModificationType::EventResponse;
        let (payload, iv) = self.seal(&response.event, &plaintext, kind, to)?;
        let sealed = wa::message::EncEventResponseMessage {
            event_creation_message_key: key.into(),
            enc_payload: Some(payload),
            enc_iv: Some(iv.to_vec()),
        };
        Ok(wa::Message {
            enc_event_response_message: sealed.into(),
            ..Default::default()
        })
    }
}

/// Each message has a secret, unless it is only about another.
fn with_secret<R: Rng + CryptoRng>(mut message: wa::Message, rng: &mut R) -> wa::Message {
    let info = message.message_context_info.get_or_insert_default();
    info.message_secret = Some(outgoing::secret(rng));
    message
}

fn text_of(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn protocol(message: wa::message::ProtocolMessage) -> wa::Message {
    wa::Message {
        protocol_message: message.into(),
        ..Default::default()
    }
}

fn wrap_view_once(mut message: wa::Message) -> wa::Message {
    let context = message.message_context_info.take();
    wa::Message {
        view_once_message_v2: wa::message::FutureProofMessage {
            message: message.into(),
        }
        .into(),
        message_context_info: context.into(),
        ..Default::default()
    }
}

fn fixed_place(place: &draft::OutgoingPlace) -> wa::message::LocationMessage {
    wa::message::LocationMessage {
        degrees_latitude: Some(place.latitude),
        degrees_longitude: Some(place.longitude),
        name: place.name.clone(),
        address: place.address.clone(),
        ..Default::default()
    }
}

fn live_place(place: &draft::OutgoingPlace, caption: &str) -> wa::message::LiveLocationMessage {
    wa::message::LiveLocationMessage {
        degrees_latitude: Some(place.latitude),
        degrees_longitude: Some(place.longitude),
        caption: text_of(caption),
        sequence_number: place.sequence,
        ..Default::default()
    }
}

fn contact_cards(message: &mut wa::Message, cards: &[draft::ContactCard], name: &str) {
    let card = |card: &draft::ContactCard| wa::message::ContactMessage {
        display_name: Some(card.name.clone()),
        vcard: Some(card.vcard.clone()),
        ..Default::default()
    };
    if let [only] = cards {
        message.contact_message = card(only).into();
        return;
    }
    let title = text_of(name).unwrap_or_else(|| format!("{} contacts", cards.len()));
    message.contacts_array_message = wa::message::ContactsArrayMessage {
        display_name: Some(title),
        contacts: cards.iter().map(card).collect(),
        ..Default::default()
    }
    .into();
}

fn poll_message(poll: &draft::Poll) -> Result<wa::message::PollCreationMessage, ComposeError> {
    use wa::message::poll_creation_message::Option as PollOption;
    if !POLL_OPTIONS.contains(&poll.options.len()) {
        return Err(ComposeError::Invalid("a poll has 2 to 12 options"));
    }
    let options = poll.options.iter().map(|name| PollOption {
        option_name: Some(name.clone()),
        ..Default::default()
    });
    Ok(wa::message::PollCreationMessage {
        name: Some(poll.question.clone()),
        options: options.collect(),
        selectable_options_count: Some(poll.selectable),
        ..Default::default()
    })
}

fn event_message(event: &draft::Event) -> wa::message::EventMessage {
    wa::message::EventMessage {
        is_canceled: Some(event.cancelled),
        name: Some(event.name.clone()),
        description: event.description.clone(),
        location: event.place.as_ref().map(fixed_place).into(),
        join_link: event.link.clone(),
        start_time: event.start,
        end_time: event.end,
        ..Default::default()
    }
}
