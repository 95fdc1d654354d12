//! Whapi under generated requests: a simulator and `switchboard up`, a paired session, and schemathesis, which reads the
//! gateway's own API document, fills it from the system's schemas and calls every operation that is offered.
//!
//! Run by `cargo xtask schemathesis`, which brings the tool. It fails on a fault of the server and on an answer that does
//! not fit its schema or has a status, a content type or headers that the document does not give the call; what it calls is
//! decided by the seed.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use serde_json::{Value, json};
use switchboard_harness::drivers;
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::{NewSession, Stack};
use switchboard_harness::wait;
use tokio::process::Command;

/// The two numbers, in the range that is reserved for fiction.
const ALICE: &str = "15550100011";
const BOB: &str = "15550100012";
/// A picture of one pixel.
const PICTURE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// Operations that would end the session under test.
const LEFT_OUT: [&str; 1] = ["POST /users/logout"];
/// Statuses that any call may have, whatever the document lists for it: a parameter that cannot be, a key that does not fit,
/// what the gateway cannot do.
const EVERYWHERE: [u64; 3] = [400, 401, 501];
/// Statuses that the document gives the other calls for a QR code, and has left out for the one that answers a picture.
const FURTHER: (&str, [u64; 2]) = ("GET /users/login/image", [409, 422]);
/// The call that has nothing to show where there are no limits.
const UNLIMITED: &str = "GET /limits";
/// Longest typing, recording and waiting of a generated request, in seconds: each one is waited for.
const WAIT_SECONDS_MAX: u64 = 1;

#[derive(Debug, Parser)]
#[command(about = "Calls every operation of the whapi dialect with generated requests")]
struct Arguments {
    /// The schemathesis program
    #[arg(long)]
    program: PathBuf,
    /// The schemas of the system
    #[arg(long, default_value = "tests/conformance/fixtures/whapi.schemas.json")]
    fixture: PathBuf,
    /// Checks of our own, for schemathesis
    #[arg(long, default_value = "tests/conformance/schemathesis_checks.py")]
    checks: PathBuf,
    /// Most generated requests per operation and phase
    #[arg(long, default_value_t = 20)]
    examples: u32,
    /// What decides the requests
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Words for schemathesis itself, e.g. `--include-path /chats`
    #[arg(last = true)]
    words: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe run failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let fixture = std::fs::read_to_string(&arguments.fixture).context("read the schemas")?;
    let fixture: Value = serde_json::from_str(&fixture).context("read the schemas")?;
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(folder.path(), arguments.seed).await?;
    let stack = Stack::up(&simulator, None).await?;
    let alice = stack.create_session("alice").await?;
    let bob = stack.create_session("bob").await?;
    drivers::pair(drivers::whapi(&stack, &alice).as_ref(), &simulator, ALICE).await?;
    let bob = drivers::whapi(&stack, &bob);
    drivers::pair(bob.as_ref(), &simulator, BOB).await?;

    let caller = Caller::new(&stack, &alice);
    let known = known(&caller).await?;
    bob.send_text(ALICE, "an answer").await?;
    let served = caller.get("/docs/whapi/openapi.json").await?;
    let document = document(&served, &fixture, &known)?;
    let path = folder.path().join("openapi.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&document)?)?;

    let status = Command::new(&arguments.program)
        .arg("run")
        .arg(&path)
        .args(["--url", &stack.url])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", alice.token),
        ])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args([
            "--checks",
            "no_fault,status_code_conformance,response_schema_conformance,content_type_conformance,\
             response_headers_conformance",
        ])
        .args(["--max-examples", &arguments.examples.to_string()])
        .args(["--seed", &arguments.seed.to_string()])
        .args([
            "--generation-database",
            "none",
            "--continue-on-failure",
            "--no-color",
        ])
        .args(["--suppress-health-check", "all", "--request-timeout", "60"])
        .args(&arguments.words)
        .env(
            "SCHEMATHESIS_HOOKS",
            std::path::absolute(&arguments.checks)?,
        )
        .current_dir(folder.path())
        .status()
        .await
        .context("run schemathesis")?;
    // A changed setting lets it connect anew, perhaps just now.
    let survived = wait::until("the session to be there", async || {
        let health = caller.get("/health?wakeup=false").await;
        let health = health.map_err(|error| format!("{error:#}"))?;
        let there = health.pointer("/status/text") == Some(&json!("AUTH"));
        there.then_some(()).ok_or_else(|| health.to_string())
    });
    survived.await.with_context(|| stack.output())?;
    if !status.success() {
        bail!(
            "schemathesis found something (seed {})\n{}",
            arguments.seed,
            stack.output()
        );
    }
    println!("\nno fault and no misfit (seed {})", arguments.seed);
    Ok(())
}

/// Calls as the session's customer.
struct Caller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Caller {
    fn new(stack: &Stack, session: &NewSession) -> Self {
        Self {
            http: switchboard_harness::http::client(),
            url: stack.url.clone(),
            token: session.token.clone(),
        }
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let request = self.http.get(format!("{}{path}", self.url));
        self.answer(request, path).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.post(format!("{}{path}", self.url));
        self.answer(request.json(body), path).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder, path: &str) -> Result<Value> {
        let answer = request.bearer_auth(&self.token).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path} answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// What the session has, so that generated requests find something.
struct Known {
    messages: Vec<Value>,
    file: Value,
}

async fn known(caller: &Caller) -> Result<Known> {
    let id = |answer: &Value| {
        answer
            .pointer("/message/id")
            .cloned()
            .context("no message id")
    };
    let mut messages = Vec::new();
    for text in ["one", "two", "three"] {
        let body = json!({ "to": BOB, "body": text });
        messages.push(id(&caller.post("/messages/text", &body).await?)?);
    }
    let picture = json!({ "to": BOB, "media": PICTURE });
    messages.push(id(&caller.post("/messages/image", &picture).await?)?);
    let story = json!({ "caption": "news", "contacts": [BOB] });
    messages.push(id(&caller.post("/stories", &story).await?)?);
    let file = caller.post("/media", &json!({ "media": PICTURE })).await?;
    let file = file.pointer("/media/0/id").cloned().context("no file id")?;
    Ok(Known { messages, file })
}

/// The gateway's document with the parameters, bodies and answers of the system's schemas; what is refused is left out.
fn document(served: &Value, fixture: &Value, known: &Known) -> Result<Value> {
    // The fixture's references point into itself.
    let text = serde_json::to_string(fixture)?.replace("\"#/schemas/", "\"#/components/schemas/");
    let fixture: Value = serde_json::from_str(&text)?;
    let mut schemas = fixture.get("schemas").cloned().context("no schemas")?;
    enrich(&mut schemas, known)?;
    let mut paths = serde_json::Map::new();
    let rows = served.get("paths").and_then(Value::as_object);
    for (path, methods) in rows.context("no paths")? {
        for (method, row) in methods.as_object().context("no methods")? {
            let key = format!("{} {path}", method.to_uppercase());
            if row.get("x-refused").is_some() || LEFT_OUT.contains(&key.as_str()) {
                continue;
            }
            let facts = fixture.pointer(&format!("/operations/{}", key.replace('/', "~1")));
            let facts = facts.with_context(|| format!("{key} is not in the fixture"))?;
            let entry = paths.entry(path.clone()).or_insert_with(|| json!({}));
            if let Some(entry) = entry.as_object_mut() {
                entry.insert(method.clone(), operation(&key, facts));
            }
        }
    }
    ensure!(paths.len() > 50, "only {} paths are offered", paths.len());
    Ok(json!({
        "openapi": "3.1.0",
        "info": { "title": "whapi", "version": "1" },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

fn operation(key: &str, facts: &Value) -> Value {
    let content = |schema: &Value| json!({ "application/json": { "schema": schema } });
    let error = json!({ "$ref": "#/components/schemas/ResponseError" });
    let mut done = json!({ "description": "done" });
    if let Some(answer) = facts.get("answer") {
        set(&mut done, "content", content(answer));
    }
    let status = facts.get("status").and_then(Value::as_u64).unwrap_or(200);
    let mut responses = json!({ status.to_string(): done });
    if key == UNLIMITED {
        set(&mut responses, "204", json!({ "description": "nothing" }));
    }
    let documented = facts.get("errors").and_then(Value::as_array);
    let documented = documented.into_iter().flatten().filter_map(Value::as_u64);
    let further = FURTHER.1.into_iter().filter(|_| key == FURTHER.0);
    for status in documented.chain(EVERYWHERE).chain(further) {
        let failed = json!({ "description": "an error", "content": content(&error) });
        set(&mut responses, &status.to_string(), failed);
    }
    let mut operation = json!({
        "parameters": facts.get("parameters").cloned().unwrap_or_else(|| json!([])),
        "responses": responses,
    });
    if let Some(body) = facts.get("body") {
        let body = json!({ "required": true, "content": content(body) });
        set(&mut operation, "requestBody", body);
    }
    operation
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// Puts what the session has beside the patterns, and bounds what would be waited for.
fn enrich(schemas: &mut Value, known: &Known) -> Result<()> {
    let chat = json!(format!("{BOB}@s.whatsapp.net"));
    let people = [json!(BOB), json!(ALICE)];
    also(schemas, "/MessageID", &known.messages)?;
    also(schemas, "/MediaID", std::slice::from_ref(&known.file))?;
    also(schemas, "/ContactID", &people)?;
    also(schemas, "/ChatID", std::slice::from_ref(&chat))?;
    // The document lets messages be sent to numbers of nine digits, and wants ten in the ids of the chats that come of it.
    // They are shown as they are, here as there: a chat that is hidden would be worse.
    let to = "/Sender/properties/to/pattern";
    let pattern = schemas.pointer_mut(to).context("no pattern of `to`")?;
    *pattern = json!(r"^[\d-]{10,31}(@[\w\.]{1,})?$");
    for to in ["/Sender", "/ForwardMessage", "/CreateEventRequest/allOf/0"] {
        let path = format!("{to}/properties/to");
        also(schemas, &path, &[json!(BOB), chat.clone()])?;
    }
    for field in ["quoted", "edit"] {
        also(
            schemas,
            &format!("/Sender/properties/{field}"),
            &known.messages,
        )?;
    }
    also(schemas, "/MediaWithUploadFromBase64", &[json!(PICTURE)])?;
    also(
        schemas,
        "/MediaWithoutUpload",
        std::slice::from_ref(&known.file),
    )?;
    bound(schemas, &["typing_time", "recording_time", "delay"]);
    // A proxy that is not there would cut the session off.
    let settings = schemas.pointer_mut("/Settings/properties");
    let settings = settings
        .and_then(Value::as_object_mut)
        .context("no settings")?;
    settings.remove("proxy");
    Ok(())
}

fn also(schemas: &mut Value, path: &str, values: &[Value]) -> Result<()> {
    let schema = schemas
        .pointer_mut(path)
        .with_context(|| format!("no schema {path}"))?;
    let pattern = schema.take();
    *schema = json!({ "anyOf": [{ "enum": values }, pattern] });
    Ok(())
}

fn bound(schema: &mut Value, names: &[&str]) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                if names.contains(&name.as_str()) && value.get("type").is_some() {
                    set(value, "maximum", json!(WAIT_SECONDS_MAX));
                }
                bound(value, names);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| bound(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
