//! The files of the search index, and the only place that knows the library behind them.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, FuzzyTermQuery, Occur, Query, TermQuery};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{Index, IndexReader, IndexWriter, Order, ReloadPolicy, TantivyDocument, Term};

use super::Found;

/// Memory of the writer, in bytes. Source: the smallest the library takes is 15 MB.
const WRITER_BYTES: usize = 20_000_000;
/// The layout of the index; another one is another folder.
const LAYOUT: &str = "v1";
/// Sessions told apart at once.
const SESSIONS_MAX: usize = 100_000;

/// The index failed; it is derived, so nothing is lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The library failed.
    #[error("search index: {0}")]
    Index(#[from] tantivy::TantivyError),
    /// The folder could not be made.
    #[error("search index: make its folder: {0}")]
    Folder(#[from] std::io::Error),
}

/// A message as the index keeps it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) chat: String,
    pub(super) words: Vec<String>,
}

/// A question.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) session: std::sync::Arc<str>,
    /// The addresses of one conversation; any where empty.
    pub(super) chats: Vec<String>,
    pub(super) words: Vec<String>,
    /// Something begins with this.
    pub(super) beginning: Option<String>,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

#[derive(Clone, Copy)]
struct Fields {
    /// Which session.
    session: Field,
    /// Which message of which session.
    key: Field,
    chat: Field,
    number: Field,
    words: Field,
}

pub(super) struct Files {
    fields: Fields,
    reader: IndexReader,
    writer: Mutex<IndexWriter>,
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::WithFreqs);
    let words = TextOptions::default().set_indexing_options(indexing);
    let fields = Fields {
        session: builder.add_text_field("session", STRING),
        key: builder.add_text_field("key", STRING),
        chat: builder.add_text_field("chat", STRING),
        number: builder.add_u64_field("number", FAST | STORED),
        words: builder.add_text_field("words", words),
    };
    (builder.build(), fields)
}

impl Files {
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let folder = folder.join(LAYOUT);
        match Self::open_in(&folder) {
            Ok(files) => Ok(files),
            Err(error) => {
                tracing::warn!(%error, "the search index is begun anew");
                std::fs::remove_dir_all(&folder)?;
                Self::open_in(&folder)
            }
        }
    }

    fn open_in(folder: &Path) -> Result<Self, Error> {
        crate::media::private_folder(folder)?;
        let (schema, fields) = schema();
        let directory =
            tantivy::directory::MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?;
        let index = Index::open_or_create(directory, schema)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let writer = index.writer_with_num_threads(1, WRITER_BYTES)?;
        Ok(Self {
            fields,
            reader,
            writer: Mutex::new(writer),
        })
    }

    /// Takes some messages out and others in; in one commit, which every later search sees.
    pub(super) fn write(
        &self,
        session: &str,
        out: &[u64],
        entries: Vec<Entry>,
    ) -> Result<(), Error> {
        let fields = self.fields;
        let key = |number: u64| format!("{session}/{number}");
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for number in out {
            writer.delete_term(Term::from_field_text(fields.key, &key(*number)));
        }
        for entry in entries {
            let mut document = TantivyDocument::new();
            document.add_text(fields.session, session);
            document.add_text(fields.key, key(entry.number));
            document.add_text(fields.chat, &entry.chat);
            document.add_u64(fields.number, entry.number);
            document.add_pre_tokenized_text(fields.words, tokens(entry.words));
            writer.add_document(document)?;
        }
        writer.commit()?;
        Ok(self.reader.reload()?)
    }

    /// The highest number of a session's messages in the index.
    pub(super) fn last_number(&self, session: &str) -> Result<u64, Error> {
        let query = self.term(self.fields.session, session);
        let top = TopDocs::with_limit(1).order_by_fast_field::<u64>("number", Order::Desc);
        let found = self.reader.searcher().search(&query, &top)?;
        let number = found.into_iter().next();
        Ok(number.and_then(|(number, _)| number).unwrap_or(0))
    }

    fn term(&self, field: Field, text: &str) -> TermQuery {
        TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic)
    }

    pub(super) fn find(&self, asked: &Asked) -> Result<Found, Error> {
        let fields = self.fields;
        let mut parts: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut must = |query: Box<dyn Query>| parts.push((Occur::Must, query));
        must(Box::new(tantivy::query::ConstScoreQuery::new(
            Box::new(self.term(fields.session, &asked.session)),
            0.0,
        )));
        if !asked.chats.is_empty() {
            let any = asked.chats.iter().map(|chat| {
                let query: Box<dyn Query> = Box::new(self.term(fields.chat, chat));
                (Occur::Should, query)
            });
            let any = BooleanQuery::new(any.collect());
            must(Box::new(tantivy::query::ConstScoreQuery::new(
                Box::new(any),
                0.0,
            )));
        }
        for word in &asked.words {
            let term = Term::from_field_text(fields.words, word);
            must(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)));
        }
        if let Some(beginning) = &asked.beginning {
            let term = Term::from_field_text(fields.words, beginning);
            must(Box::new(FuzzyTermQuery::new_prefix(term, 0, false)));
        }
        let query = BooleanQuery::new(parts);
        let top = TopDocs::with_limit(asked.limit.max(1)).and_offset(asked.offset);
        let searcher = self.reader.searcher();
        let (found, total) = searcher.search(&query, &(top.order_by_score(), Count))?;
        let mut numbers = Vec::with_capacity(found.len());
        for (_, address) in found.into_iter().take(asked.limit) {
            let document: TantivyDocument = searcher.doc(address)?;
            let number = document.get_first(fields.number);
            numbers.extend(number.and_then(|number| number.as_u64()));
        }
        Ok(Found {
            numbers,
            total: u64::try_from(total).unwrap_or(u64::MAX),
        })
    }

    /// The sessions that have messages in the index.
    pub(super) fn sessions(&self) -> Result<Vec<String>, Error> {
        let mut sessions = std::collections::BTreeSet::new();
        let searcher = self.reader.searcher();
        for segment in searcher.segment_readers() {
            let terms = segment.inverted_index(self.fields.session)?;
            let mut stream = terms.terms().stream()?;
            while stream.advance() && sessions.len() < SESSIONS_MAX {
                sessions.insert(String::from_utf8_lossy(stream.key()).into_owned());
            }
        }
        Ok(sessions.into_iter().collect())
    }

    /// Takes every message of a session out.
    pub(super) fn forget(&self, session: &str) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.delete_term(Term::from_field_text(self.fields.session, session));
        writer.commit()?;
        Ok(self.reader.reload()?)
    }
}

fn tokens(words: Vec<String>) -> PreTokenizedString {
    let token = |(position, text): (usize, String)| Token {
        offset_from: 0,
        offset_to: 0,
        position,
        position_length: 1,
        text,
    };
    PreTokenizedString {
        text: String::new(),
        tokens: words.into_iter().enumerate().map(token).collect(),
    }
}
