// An account that speaks through Baileys with the simulator. It is told what to do by JSON lines on stdin and tells what it
// sees by JSON lines on stdout; everything else goes to stderr.
//
// Arguments: the simulator's HTTP address, the phone number, the profile name.
//
// Requests:  {"id": 1, "op": "send", "to": jid, "content": {...}, "options": {...}}
//            `content` and `options` are Baileys' own; {"$bytes": "<base64>"} stands for bytes, {"$date": <ms>} for
//            a date, {"$message": "<id>"} for a message seen or sent earlier, {"$key": "<id>"} for its key.
//            {"id": 2, "op": "download", "message": "<id>"}
//            {"id": 3, "op": "call", "name": "<method of the socket>", "arguments": [...]}
//            {"id": 4, "op": "relay", "to": jid, "message": {...}, "options": {...}}: a protobuf message as it is, for what Baileys
//            has no words for
//            {"id": 5, "op": "vote", "poll": "<id>", "options": ["<name>"]}: none takes the vote back
//            {"id": 6, "op": "answer", "event": "<id>", "response": <number>}
// Answers:   {"answer": 1, "result": ...} or {"answer": 1, "error": "..."}
// Events:    {"event": "open", "me": {...}}, {"event": "<name>", "data": ...} for every event of Baileys, and
//            {"event": "votes", "data": {"poll": "<id>", "options": [{"name", "voters"}]}} and
//            {"event": "answers", "data": {"event": "<id>", "response": <number>}}

import { Console } from 'node:console'
import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'

import makeWASocket, {
  BufferJSON,
  DisconnectReason,
  WA_CERT_DETAILS,
  aesEncryptGCM,
  decryptEventResponse,
  decryptPollVote,
  downloadMediaMessage,
  generateWAMessageFromContent,
  getAggregateVotesInPollMessage,
  hmacSign,
  initAuthCreds,
  jidNormalizedUser,
  proto,
  updateMessageWithPollUpdate,
} from '@whiskeysockets/baileys'
import pino from 'pino'

/** Messages kept for quotes, downloads and votes. */
const MESSAGES_MAX = 1000
/** Longest request, in bytes. */
const REQUEST_BYTES_MAX = 64 * 1024 * 1024

const [simulator, number, name] = process.argv.slice(2)
const logger = pino({ level: process.env.WITNESS_LOG ?? 'fatal' }, pino.destination(2))
const messages = new Map()
let socket

// The libraries print what they please, key material among it; stdout is for lines of JSON alone.
globalThis.console = new Console(createWriteStream(process.env.WITNESS_LOG ? '/dev/stderr' : '/dev/null'))

const info = await fetch(`${simulator}/admin/info`).then(answer => answer.json())
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(info.root_key, 'hex')
const auth = { creds: initAuthCreds(), keys: memoryKeys() }

/** The keys of the account, as long as the process lives. */
function memoryKeys() {
  const stored = new Map()
  return {
    async get(type, ids) {
      const found = {}
      for (const id of ids) {
        const text = stored.get(`${type}/${id}`)
        if (text === undefined) continue
        const value = JSON.parse(text, BufferJSON.reviver)
        found[id] = type === 'app-state-sync-key' ? proto.Message.AppStateSyncKeyData.fromObject(value) : value
      }
      return found
    },
    async set(data) {
      for (const [type, values] of Object.entries(data)) {
        for (const [id, value] of Object.entries(values)) {
          const place = `${type}/${id}`
          if (value === null || value === undefined) stored.delete(place)
          else stored.set(place, JSON.stringify(value, BufferJSON.replacer))
        }
      }
    },
  }
}

/** Bytes as base64, 64-bit numbers as numbers, errors as their text. */
function plain(value) {
  if (value === null || value === undefined) return value
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  if (value instanceof Error) return { error: value.message, code: value.output?.statusCode }
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object') return value
  if (typeof value.toNumber === 'function') return value.toNumber()
  if (value instanceof Map || value instanceof Set) return plain([...value])
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined && inner !== null && typeof inner !== 'function')
      .map(([key, inner]) => [key, plain(inner)]),
  )
}

/** The reverse of `plain`, with messages and keys by id. */
function rich(value) {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(rich)
  if (typeof value.$bytes === 'string') return Buffer.from(value.$bytes, 'base64')
  if (typeof value.$date === 'number') return new Date(value.$date)
  if (typeof value.$message === 'string') return known(value.$message)
  if (typeof value.$key === 'string') return known(value.$key).key
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rich(inner)]))
}

function known(id) {
  const message = messages.get(id)
  if (!message) throw new Error(`no message ${id} was seen`)
  return message
}

function remember(message) {
  if (!message?.key?.id || !message.message) return
  messages.set(message.key.id, message)
  if (messages.size > MESSAGES_MAX) messages.delete(messages.keys().next().value)
}

function say(line) {
  process.stdout.write(JSON.stringify(line) + '\n')
}

function connect() {
  socket = makeWASocket({
    waWebSocketUrl: info.ws_url,
    auth,
    logger,
    syncFullHistory: false,
    getMessage: async key => messages.get(key.id)?.message,
  })
  const names = [
    'messages.upsert', 'messages.update', 'messages.reaction', 'message-receipt.update', 'messages.media-update',
    'messaging-history.set', 'chats.upsert', 'chats.update', 'contacts.upsert', 'contacts.update', 'presence.update',
    'groups.upsert', 'groups.update', 'group-participants.update', 'blocklist.set', 'blocklist.update', 'lid-mapping.update',
  ]
  for (const event of names) {
    socket.ev.on(event, data => {
      if (event === 'messages.upsert') data.messages.forEach(remember)
      say({ event, data: plain(data) })
      if (event === 'messages.upsert') data.messages.forEach(vote)
      if (event === 'messages.upsert') data.messages.forEach(answered)
    })
  }
  socket.ev.on('creds.update', changed => Object.assign(auth.creds, changed))
  socket.ev.on('connection.update', change => {
    connection(change).catch(error => fail(error))
  })
}

async function connection(change) {
  if (change.qr && !auth.creds.me) {
    const query = new URLSearchParams({ number, name })
    const answer = await fetch(`${simulator}/admin/mock-phone/scan-qr?${query}`, { method: 'POST', body: change.qr })
    if (!answer.ok) throw new Error(`the phone did not scan the code: ${await answer.text()}`)
  }
  if (change.connection === 'open') say({ event: 'open', me: plain(auth.creds.me) })
  if (change.connection === 'close') {
    const code = change.lastDisconnect?.error?.output?.statusCode
    say({ event: 'closed', code })
    if (code === DisconnectReason.loggedOut) process.exit(0)
    connect()
  }
}

/** The own address, as it stands in messages of that address's kind. */
function me(byLid) {
  return jidNormalizedUser(byLid ? auth.creds.me.lid : auth.creds.me.id)
}

/** Who wrote what the key names. */
function author({ fromMe, participant, remoteJid }, byLid) {
  return fromMe ? me(byLid) : jidNormalizedUser(participant || remoteJid)
}

/** What the votes on a poll add up to. Baileys leaves it to its users to open them. */
function vote({ key, message }) {
  const update = message?.pollUpdateMessage
  const poll = messages.get(update?.pollCreationMessageKey?.id)
  if (!poll) return
  const byLid = key.addressingMode === 'lid'
  const opened = decryptPollVote(update.vote, {
    pollEncKey: poll.message.messageContextInfo.messageSecret,
    pollCreatorJid: author(poll.key, byLid),
    pollMsgId: poll.key.id,
    voterJid: author(key, byLid),
  })
  const one = { pollUpdateMessageKey: key, vote: opened, senderTimestampMs: update.senderTimestampMs }
  updateMessageWithPollUpdate(poll, one)
  const options = getAggregateVotesInPollMessage(poll, auth.creds.me.id)
  say({ event: 'votes', data: { poll: poll.key.id, options } })
}

/** An answer to an event. Baileys opens those itself in chats by phone number; by LID it mixes both kinds of addresses and fails. */
function answered({ key, message }) {
  const sealedAnswer = message?.encEventResponseMessage
  const event = messages.get(sealedAnswer?.eventCreationMessageKey?.id)
  if (!event) return
  const byLid = key.addressingMode === 'lid'
  const { response } = decryptEventResponse(sealedAnswer, {
    eventEncKey: event.message.messageContextInfo.messageSecret,
    eventCreatorJid: author(event.key, byLid),
    eventMsgId: event.key.id,
    responderJid: author(key, byLid),
  })
  say({ event: 'answers', data: { event: event.key.id, response } })
}

/** Seals what is said about an earlier message: the reverse of Baileys' `decryptPollVote` and `decryptEventResponse`. */
function sealed(about, use, payload) {
  const byLid = about.key.addressingMode === 'lid'
  const [id, creator, writer] = [about.key.id, author(about.key, byLid), me(byLid)]
  const inner = hmacSign(about.message.messageContextInfo.messageSecret, new Uint8Array(32), 'sha256')
  const sign = Buffer.concat([Buffer.from(`${id}${creator}${writer}${use}`), Buffer.from([1])])
  const encIv = randomBytes(12)
  const encPayload = aesEncryptGCM(payload, hmacSign(sign, inner, 'sha256'), encIv, Buffer.from(`${id}\0${writer}`))
  return { encPayload, encIv }
}

/** Sends a protobuf message as it is. */
async function relay(to, content, options) {
  const message = generateWAMessageFromContent(to, proto.Message.fromObject(content), { ...options, userJid: me(false) })
  await socket.relayMessage(to, message.message, { messageId: message.key.id })
  remember(message)
  return message
}

function fail(error) {
  process.stderr.write(`${error?.stack ?? error}\n`)
  process.exit(1)
}

const operations = {
  async send({ to, content, options }) {
    const sent = await socket.sendMessage(to, rich(content), rich(options ?? {}))
    remember(sent)
    return sent
  },
  async download({ message }) {
    const file = await downloadMediaMessage(known(message), 'buffer', {}, {
      logger,
      reuploadRequest: socket.updateMediaMessage,
    })
    return { size: file.length, sha256: createHash('sha256').update(file).digest('hex') }
  },
  async relay({ to, message, options }) {
    return relay(to, rich(message), rich(options ?? {}))
  },
  async vote({ poll: id, options }) {
    const poll = known(id)
    const selectedOptions = options.map(name => createHash('sha256').update(name).digest())
    const payload = proto.Message.PollVoteMessage.encode({ selectedOptions }).finish()
    const pollUpdateMessage = {
      pollCreationMessageKey: poll.key,
      vote: sealed(poll, 'Poll Vote', payload),
      senderTimestampMs: Date.now(),
    }
    const sent = await relay(poll.key.remoteJid, { pollUpdateMessage })
    // The own vote counts as others' do.
    vote({ ...sent, key: { ...sent.key, addressingMode: poll.key.addressingMode } })
    return sent
  },
  async answer({ event: id, response }) {
    const event = known(id)
    const payload = proto.Message.EventResponseMessage.encode({ response, timestampMs: Date.now() }).finish()
    const sealedAnswer = sealed(event, 'Event Response', payload)
    return relay(event.key.remoteJid, {
      encEventResponseMessage: { eventCreationMessageKey: event.key, ...sealedAnswer },
    })
  },
  async call({ name, arguments: given }) {
    const method = socket[name]
    if (typeof method !== 'function') throw new Error(`Baileys has no method ${name}`)
    return method(...rich(given ?? []))
  },
}

async function perform(line) {
  const request = JSON.parse(line)
  try {
    const operation = operations[request.op]
    if (!operation) throw new Error(`there is no operation ${request.op}`)
    say({ answer: request.id, result: plain(await operation(request)) ?? null })
  } catch (error) {
    say({ answer: request.id, error: error?.message ?? String(error) })
  }
}

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
connect()
const lines = createInterface({ input: process.stdin, crlfDelay: Infinity })
lines.on('line', line => {
  if (line.length > REQUEST_BYTES_MAX) fail(new Error('a request is too long'))
  void perform(line)
})
lines.on('close', () => process.exit(0))
