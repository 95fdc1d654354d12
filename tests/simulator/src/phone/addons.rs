//! Opening what is encrypted once more with the secret of an earlier message: votes, answers to events,
//! reactions and edits.
//!
//! Keys depend on the addresses of the two authors as the sender spelled them, by number or by LID, so
//! all spellings are tried.

use wa::message::event_response_message::EventResponseType;
use wa::message::secret_encrypted_message::SecretEncType;
use wacore::secret_enc_addon::{AddonContext, ModificationType, decrypt_addon};
use waproto::whatsapp as wa;

use super::{Known, Person, Phone};
use crate::draft::EventAnswer;

/// What was inside.
#[derive(Debug, Clone, PartialEq)]
pub enum Addon {
    /// A message that says the same in the clear.
    Message(Box<wa::Message>),
    /// The names of the chosen options of a poll.
    Vote(Vec<String>),
    /// An answer to an event.
    Response(EventAnswer),
}

impl Phone {
    /// Opens a message that is encrypted with the secret of one the phone knows. `None` when it is not,
    /// or cannot be opened.
    #[must_use]
    pub fn open_addon(&self, message: &wa::Message, author: Person) -> Option<Addon> {
        if let Some(update) = message.poll_update_message.as_option() {
            let vote = update.vote.as_option()?;
            let known = self.target(update.poll_creation_message_key.as_option()?)?;
            let sealed = (&vote.enc_payload, &vote.enc_iv);
            let plain = open(known, sealed, ModificationType::PollVote, author)?;
            return Some(Addon::Vote(chosen(&known.1.message(), &plain)?));
        }
        if let Some(response) = message.enc_event_response_message.as_option() {
            let known = self.target(response.event_creation_message_key.as_option()?)?;
            let sealed = (&response.enc_payload, &response.enc_iv);
            let plain = open(known, sealed, ModificationType::EventResponse, author)?;
            let answer = waproto::codec::event_response_message_decode(&plain).ok()?;
            return Some(Addon::Response(event_answer(answer.response?)?));
        }
        if let Some(reaction) = message.enc_reaction_message.as_option() {
            let key = reaction.target_message_key.as_option()?;
            let known = self.target(key)?;
            let sealed = (&reaction.enc_payload, &reaction.enc_iv);
            let plain = open(known, sealed, ModificationType::EncReaction, author)?;
            let mut inner: wa::message::ReactionMessage = decoded(&plain)?;
            inner.key = key.clone().into();
            return Some(Addon::Message(Box::new(wa::Message {
                reaction_message: inner.into(),
                ..Default::default()
            })));
        }
        let sealed = message.secret_encrypted_message.as_option()?;
        let kind = match sealed.secret_enc_type? {
            SecretEncType::MESSAGE_EDIT => ModificationType::MessageEdit,
            SecretEncType::EVENT_EDIT => ModificationType::EventEdit,
            SecretEncType::POLL_EDIT => ModificationType::PollEdit,
            SecretEncType::POLL_ADD_OPTION => ModificationType::PollAddOption,
            SecretEncType::UNKNOWN | SecretEncType::MESSAGE_SCHEDULE => return None,
        };
        let known = self.target(sealed.target_message_key.as_option()?)?;
        let plain = open(known, (&sealed.enc_payload, &sealed.enc_iv), kind, author)?;
        let inner = waproto::codec::message_decode(&plain).ok()?;
        Some(Addon::Message(Box::new(inner)))
    }

    fn target<'a>(&'a self, key: &'a wa::MessageKey) -> Option<(&'a str, &'a Known)> {
        let id = key.id.as_deref()?;
        Some((id, self.known(id)?))
    }
}

fn decoded<T: buffa::Message>(bytes: &[u8]) -> Option<T> {
    T::decode_from_slice(bytes).ok()
}

fn open(
    (id, known): (&str, &Known),
    (payload, iv): (&Option<Vec<u8>>, &Option<Vec<u8>>),
    kind: ModificationType,
    author: Person,
) -> Option<Vec<u8>> {
    let secret = known.secret()?;
    let (payload, iv) = (payload.as_deref()?, iv.as_deref()?);
    let spellings = [(true, true), (false, false), (true, false), (false, true)];
    spellings.into_iter().find_map(|(original, modifier)| {
        let context = AddonContext {
            stanza_id: id,
            parent_msg_original_sender: &known.author.jid(original),
            modification_sender: &author.jid(modifier),
            modification_type: kind,
        };
        decrypt_addon(payload, iv, &secret, &context).ok()
    })
}

/// The names of the options of a poll.
pub(super) fn poll_options(message: &wa::Message) -> Vec<String> {
    let polls = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
        &message.poll_creation_message_v6,
    ];
    let poll = polls.into_iter().find_map(|poll| poll.as_option());
    let options = poll.into_iter().flat_map(|poll| &poll.options);
    options.filter_map(|o| o.option_name.clone()).collect()
}

/// The names behind the hashes of a vote.
fn chosen(poll: &wa::Message, plain: &[u8]) -> Option<Vec<String>> {
    let vote: wa::message::PollVoteMessage = decoded(plain)?;
    let names = poll_options(poll);
    let name = |hash: &Vec<u8>| {
        let of_hash = |name: &&String| wacore::poll::compute_option_hash(name) == **hash;
        let found = names.iter().find(of_hash);
        found.cloned().unwrap_or_else(|| hex::encode(hash))
    };
    Some(vote.selected_options.iter().map(name).collect())
}

const fn event_answer(answer: EventResponseType) -> Option<EventAnswer> {
    match answer {
        EventResponseType::GOING => Some(EventAnswer::Going),
        EventResponseType::NOT_GOING => Some(EventAnswer::NotGoing),
        EventResponseType::MAYBE => Some(EventAnswer::Maybe),
        EventResponseType::UNKNOWN => None,
    }
}
