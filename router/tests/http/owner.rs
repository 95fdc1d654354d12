//! A node as a script: it serves its subject, remembers what it was asked, and answers what the test says.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use switchboard_bus::{Bus, Names, Request};
use switchboard_vocab::envelope::{AnswerHead, CallHead, Frame, Verb};
use switchboard_vocab::{Epoch, OpError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the owner does with a call.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Answers with this output.
    Answers(Value),
    /// Answers with these raw bytes.
    Sends(Bytes),
    /// Answers with this error.
    Fails(OpError),
    /// Is not the owner.
    Denies(Option<&'static str>),
    /// Drops the call unanswered.
    Drops,
    /// Keeps the call until [`Owner::release`], then answers with this output.
    Holds(Value),
}

type Script = Arc<dyn Fn(&Call) -> Does + Send + Sync>;

/// A call that came in.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) head: CallHead,
    pub(crate) body: Value,
    pub(crate) blob: Bytes,
}

impl Call {
    /// The name of the operation, `stage` or `read`.
    pub(crate) fn name(&self) -> &str {
        match &self.head.verb {
            Verb::Run { name } => name,
            Verb::Stage { .. } => "stage",
            Verb::ReadMedia { .. } => "read",
        }
    }
}

/// A node that serves calls until it is dropped.
pub(crate) struct Owner {
    calls: Arc<Mutex<Vec<Call>>>,
    script: Arc<Mutex<Script>>,
    released: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Owner {
    /// Serves the subject of a node; answers what the operations' outputs need at least.
    pub(crate) async fn serve(bus: &Bus, names: &Names, node: &str) -> Self {
        let mut requests = bus.rpc.serve(&names.node_rpc(node).unwrap()).await.unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Arc::new(usual)));
        let released = watch::Sender::new(false);
        let (seen, says, open) = (Arc::clone(&calls), Arc::clone(&script), released.clone());
        let serving = tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let frame = Frame::<CallHead>::decode(request.payload.clone()).unwrap();
                let body = serde_json::from_slice(&frame.body).unwrap_or(Value::Null);
                let call = Call {
                    head: frame.head,
                    body,
                    blob: frame.blob,
                };
                seen.lock().unwrap().push(call.clone());
                let script = Arc::clone(&*says.lock().unwrap());
                let open = open.subscribe();
                tokio::spawn(async move { answer(request, script(&call), open).await });
            }
        });
        Self {
            calls,
            script,
            released,
            serving,
        }
    }

    /// Does this from now on.
    pub(crate) fn does(&self, script: impl Fn(&Call) -> Does + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// Does this for one operation, the usual for all others.
    pub(crate) fn does_for(&self, name: &'static str, does: Does) {
        self.does(move |call| {
            if call.name() == name {
                does.clone()
            } else {
                usual(call)
            }
        });
    }

    /// Lets every held call be answered.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    /// Everything asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls of one name.
    pub(crate) fn calls_of(&self, name: &str) -> Vec<Call> {
        self.calls()
            .into_iter()
            .filter(|call| call.name() == name)
            .collect()
    }
}

async fn answer(request: Request, does: Does, mut released: watch::Receiver<bool>) {
    let frame = match does {
        Does::Drops => return,
        Does::Answers(output) => Frame::new(AnswerHead::Done, serde_json::to_vec(&output).unwrap()),
        Does::Holds(output) => {
            released.wait_for(|open| *open).await.unwrap();
            Frame::new(AnswerHead::Done, serde_json::to_vec(&output).unwrap())
        }
        Does::Sends(blob) => Frame {
            head: AnswerHead::Done,
            body: Bytes::new(),
            blob,
        },
        Does::Fails(error) => Frame::new(AnswerHead::Failed { error }, Bytes::new()),
        Does::Denies(hint) => {
            let hint = hint.map(|hint| hint.parse().unwrap());
            Frame::new(
                AnswerHead::NotOwner {
                    epoch: Epoch(3),
                    hint,
                },
                Bytes::new(),
            )
        }
    };
    request
        .replier
        .reply(frame.encode().unwrap())
        .await
        .unwrap();
}

/// What a well-behaved node answers.
pub(crate) fn usual(call: &Call) -> Does {
    match call.name() {
        "stage" => Does::Answers(json!({})),
        "messages.send" => Does::Answers(sent(call)),
        "messages.mark_read" | "sessions.erase" => Does::Answers(json!({})),
        "sessions.status" | "sessions.start" | "sessions.stop" | "sessions.restart"
        | "sessions.logout" => Does::Answers(status(call, "connected")),
        other => panic!("the script has no answer for {other}"),
    }
}

/// A status in this state.
pub(crate) fn status(call: &Call, state: &str) -> Value {
    json!({ "session": call.head.session, "node": "n1", "state": state, "since": 1_000 })
}

/// The answer to a send: the message as the log keeps it.
pub(crate) fn sent(call: &Call) -> Value {
    json!({ "message": {
        "id": call.body["id"], "number": 1, "chat": call.body["to"], "sender": "15550001@s.whatsapp.net",
        "from_me": true, "at": 1_000, "body": { "kind": "text", "body": "x" }, "status": "server",
    }})
}
