//! One bad call, and how its answer is judged.

use anyhow::{Context, Result};
use reqwest::RequestBuilder;
use serde_json::Value;

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

/// Reads the words out of an error body of one system; what is wrong with the body otherwise.
pub(crate) type Shape = fn(&Answer) -> Result<String, String>;

/// One bad call.
pub(crate) struct Case {
    what: String,
    request: RequestBuilder,
    status: u16,
    words: Vec<String>,
    shape: Option<Shape>,
}

impl Case {
    /// A call and the status it must get.
    pub(crate) fn new(what: &str, request: RequestBuilder, status: u16) -> Self {
        Self {
            what: what.to_owned(),
            request,
            status,
            words: Vec::new(),
            shape: None,
        }
    }

    /// The error must contain these words, in any case of letters.
    pub(crate) fn says(mut self, words: &str) -> Self {
        self.words.push(words.to_lowercase());
        self
    }

    /// The body has another shape than most of that system's errors.
    pub(crate) fn shaped(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// The same under another name.
    pub(crate) fn named(mut self, what: &str) -> Self {
        self.what = what.to_owned();
        self
    }
}

/// Makes the calls, and returns a line for each answer that is not as it must be.
pub(crate) async fn judge(system: &str, shape: Shape, cases: Vec<Case>) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for case in cases {
        let what = format!("{system}: {}", case.what);
        let answer = case.request.send().await.with_context(|| what.clone())?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get("content-type");
        let content_type = content_type
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let text = answer.text().await.with_context(|| what.clone())?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer {
            status,
            content_type,
            body,
        };
        let problem = if status != case.status {
            Some(format!("status {status} instead of {}", case.status))
        } else {
            match case.shape.unwrap_or(shape)(&answer) {
                Err(problem) => Some(problem),
                Ok(said) => case
                    .words
                    .iter()
                    .find(|words| !said.to_lowercase().contains(*words))
                    .map(|words| format!("it does not say {words:?}")),
            }
        };
        if let Some(problem) = problem {
            wrong.push(format!("{what}: {problem}: {} {text}", answer.content_type));
        }
    }
    Ok(wrong)
}

/// The text at a pointer of a JSON body.
pub(crate) fn text_at(answer: &Answer, pointer: &str) -> Result<String, String> {
    if !answer.content_type.starts_with("application/json") {
        return Err("it is not application/json".to_owned());
    }
    let found = answer.body.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| format!("no text at {pointer}"))
}

/// Whether the value at a pointer is this one.
pub(crate) fn must_be(
    answer: &Answer,
    pointer: &str,
    value: impl Into<Value>,
) -> Result<(), String> {
    let value = value.into();
    match answer.body.pointer(pointer) {
        Some(found) if *found == value => Ok(()),
        found => Err(format!("{pointer} is {found:?} instead of {value}")),
    }
}
