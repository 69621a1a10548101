// Two JsSIP user agents, 7001 by ws at one proxy and 7002 by wss at the other: each calls the other, and each ends a call.
// A browser has the media; here a peer connection stands in that knows SDP and nothing else.
const DEADLINE_MS = 60000;

const SDP = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0',
  'a=rtpmap:111 opus/48000/2', 'a=mid:0', 'a=sendrecv', ''].join('\r\n');

class PeerConnection extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { iceGatheringState: 'complete', iceConnectionState: 'connected', signalingState: 'stable' });
    this.localDescription = this.remoteDescription = null;
  }
  async createOffer() { return { type: 'offer', sdp: SDP }; }
  async createAnswer() { return { type: 'answer', sdp: SDP }; }
  async setLocalDescription(own) { this.localDescription = { ...own, toString: () => own.sdp }; }
  async setRemoteDescription(other) { this.remoteDescription = other; }
  addTrack() {}
  getSenders() { return []; }
  close() { this.signalingState = 'closed'; }
}

global.window = global;
global.WebSocket = require('ws');
global.RTCPeerConnection = PeerConnection;
global.RTCSessionDescription = class { constructor(given) { Object.assign(this, given); } };
const JsSIP = require('jssip');

const STREAM = { getTracks: () => [], getAudioTracks: () => [], getVideoTracks: () => [] };
const after = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function registered(dn, url) {
  const agent = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(url)], uri: `sip:${dn}@example.com`, password: `secret-${dn}`, register_expires: 120,
  });
  await new Promise((done, fail) => {
    agent.on('registered', done);
    agent.on('registrationFailed', (event) => fail(new Error(`${dn} is not registered: ${event.cause}`)));
    agent.start();
  });
  return agent;
}

async function call(from, to, dn, endedBy) {
  const seen = [];
  let session;
  await new Promise((done, fail) => {
    let open = 2;
    const ended = (who) => () => { seen.push(`${who} hears the end`); open -= 1; if (open === 0) done(); };
    const confirmed = (who, own) => () => {
      seen.push(`${who} talks`);
      if (endedBy === who) after(300).then(() => own().terminate());
    };
    to.removeAllListeners('newRTCSession');
    from.removeAllListeners('newRTCSession');
    to.on('newRTCSession', ({ session: rung, originator }) => {
      if (originator !== 'remote') return;
      seen.push('called rings');
      rung.on('confirmed', confirmed('called', () => rung));
      rung.on('ended', ended('called'));
      rung.on('failed', (event) => fail(new Error(`the called one: ${event.cause}`)));
      after(100).then(() => rung.answer({ mediaStream: STREAM }));
    });
    session = from.call(`sip:${dn}@example.com`, {
      mediaStream: STREAM,
      eventHandlers: {
        progress: () => seen.push('caller hears ringing'),
        confirmed: confirmed('caller', () => session),
        ended: ended('caller'),
        failed: (event) => fail(new Error(`the caller: ${event.cause}`)),
      },
    });
  });
  for (const wanted of ['called rings', 'caller hears ringing', 'called talks', 'caller talks']) {
    if (!seen.includes(wanted)) throw new Error(`no '${wanted}', but ${seen}`);
  }
}

async function main() {
  const [one, other] = await Promise.all([registered('7001', 'ws://127.0.0.1:8060'), registered('7002', 'wss://127.0.0.2:8443')]);
  await after(300);
  let passed = 2;
  for (const [from, to, dn] of [[one, other, '7002'], [other, one, '7001']]) {
    for (const endedBy of ['caller', 'called']) {
      await call(from, to, dn, endedBy);
      passed += 1;
      await after(300);
    }
  }
  console.log(`${passed} passed`);
  process.exit(0);
}

after(DEADLINE_MS).then(() => { console.log('FAILED: no end'); process.exit(1); });
main().catch((error) => { console.log(`FAILED: ${error.message}`); process.exit(1); });
