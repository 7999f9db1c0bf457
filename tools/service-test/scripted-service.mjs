// A service whose answers a test writes, and whose page is the real one's: everything but /api is fetched from a running edgellm.
import http from 'node:http';

const body = 'application/x-ndjson';

export class ScriptedService {
  // Called with the request's JSON and an Answer; a test puts its own there.
  chat = async (_, answer) => answer.all('Hello.');
  tags = 200;          // status of /api/tags; 401 asks for `key`
  key = null;
  isDown = false;      // connections are cut
  requests = [];       // bodies of /api/chat
  page = null;         // /page.json; null: the real one's
  model = 'SmolLM2-135M-Instruct:latest';

  static async start(real) {
    const service = new ScriptedService();
    service.real = new URL(real);
    service.server = http.createServer((request, response) => service.#serve(request, response));
    await new Promise(resolve => service.server.listen(0, '127.0.0.1', resolve));
    service.address = `http://127.0.0.1:${service.server.address().port}/`;
    return service;
  }

  async #serve(request, response) {
    if (this.isDown) { request.socket.destroy(); return; }
    if (this.page && request.url === '/page.json') { send(response, 200, { starters: [], idleSeconds: 0, logo: false, ...this.page }); return; }
    if (!request.url.startsWith('/api/')) { this.#forward(request, response); return; }
    let text = '';
    for await (const part of request) text += part;
    if (this.key && request.headers.authorization !== `Bearer ${this.key}`) { send(response, 401, { error: 'this service takes an API key' }); return; }
    if (request.url === '/api/tags') { send(response, this.tags, { models: [{ name: this.model }] }); return; }
    const asked = JSON.parse(text);
    this.requests.push(asked);
    await this.chat(asked, new Answer(request, response));
  }

  #forward(request, response) {
    const headers = { ...request.headers, host: this.real.host };
    const sent = http.request({ host: this.real.hostname, port: this.real.port, path: request.url, method: request.method, headers }, answer => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    sent.on('error', () => request.socket.destroy());
    request.pipe(sent);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function send(response, status, value, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

class Answer {
  constructor(request, response) {
    this.request = request;
    this.response = response;
    this.isGone = false;
    response.on('close', () => { this.isGone = true; });
  }

  line(value) {
    if (!this.response.headersSent) this.response.writeHead(200, { 'Content-Type': body });
    this.response.write(JSON.stringify(value) + '\n');
  }

  text(content) { this.line({ message: { role: 'assistant', content }, done: false }); }

  ahead(queue_position, prompt_progress) { this.line({ message: { role: 'assistant', content: '' }, done: false, queue_position, prompt_progress }); }

  end(done_reason = 'stop') {
    this.line({ message: { role: 'assistant', content: '' }, done: true, done_reason, eval_count: 10, eval_duration: 1e9 });
    this.response.end();
  }

  all(content) { this.text(content); this.end(); }

  refuse(status, error, headers) { send(this.response, status, { error }, headers); }

  cut() { this.request.socket.destroy(); }
}
