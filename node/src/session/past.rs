//! What a part of the phone's history brought, read back from the journal page by page: for webhooks that show it.

use switchboard_dialect_kit::HistoryPage;
use switchboard_vocab::ChatId;
use switchboard_vocab::contacts::List;
use switchboard_vocab::events::sessions::HistoryPart;
use switchboard_whatsapp::proto_text;

use super::journal::{Error, Journal};

/// Messages looked at for one page.
const PAGE_MESSAGES_MAX: usize = 128;
/// People looked at for one page.
const PAGE_PEOPLE_MAX: u32 = 500;
/// Bytes of protobufs as text after which a page ends; one message has at most 512 KiB.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// The part that tells what people call themselves. Source: `HistorySync.HistorySyncType` of WhatsApp's protobuf.
const NAMES: &str = "PUSH_NAME";

/// The page that begins at a place, and where the next one does.
pub(super) async fn page(
    journal: &Journal,
    part: &HistoryPart,
    place: u64,
) -> Result<(HistoryPage, Option<u64>), Error> {
    if part.part == NAMES {
        return names(journal, place).await;
    }
    let Some((first, last)) = part.numbers else {
        return Ok((HistoryPage::default(), None));
    };
    messages(journal, first.saturating_sub(1).max(place), last).await
}

/// Messages numbered above `after`, up to `last`.
async fn messages(
    journal: &Journal,
    after: u64,
    last: u64,
) -> Result<(HistoryPage, Option<u64>), Error> {
    let mut page = HistoryPage::default();
    let (mut seen, mut bytes) = (after, 0);
    for mut message in journal.numbered_after(after, PAGE_MESSAGES_MAX).await? {
        if message.number > last {
            return Ok((with_chats(journal, page).await?, None));
        }
        if bytes >= PAGE_BYTES_MAX {
            break;
        }
        seen = message.number;
        if !message.context.from_history {
            continue;
        }
        let proto = journal.proto(message.number).await?;
        message.proto_json = proto.and_then(|proto| proto_text(&proto));
        bytes += message.proto_json.as_ref().map_or(0, String::len);
        page.messages.push(message);
    }
    let next = (seen > after && seen < last).then_some(seen);
    Ok((with_chats(journal, page).await?, next))
}

async fn with_chats(journal: &Journal, mut page: HistoryPage) -> Result<HistoryPage, Error> {
    let mut looked: Vec<&ChatId> = Vec::new();
    for message in &page.messages {
        if !looked.contains(&&message.chat) {
            looked.push(&message.chat);
            page.chats.extend(journal.chat(&message.chat).await?);
        }
    }
    Ok(page)
}

async fn names(journal: &Journal, place: u64) -> Result<(HistoryPage, Option<u64>), Error> {
    let filter = List {
        saved: None,
        offset: u32::try_from(place).unwrap_or(u32::MAX),
        limit: PAGE_PEOPLE_MAX,
    };
    let list = journal.contacts(&filter).await?;
    let seen = place.saturating_add(u64::try_from(list.contacts.len()).unwrap_or(u64::MAX));
    let next = (seen > place && seen < list.total).then_some(seen);
    let named = list.contacts.into_iter();
    let page = HistoryPage {
        people: named.filter(|person| person.push_name.is_some()).collect(),
        ..HistoryPage::default()
    };
    Ok((page, next))
}
