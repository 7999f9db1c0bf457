// The Model Context Protocol's own client against a service: node mcp.mjs http://127.0.0.1:11434 [KEY]
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [address, key] = process.argv.slice(2);
const client = new Client({ name: 'edgellm-test', version: '1' });
await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', address), { requestInit: { headers: key ? { Authorization: `Bearer ${key}` } : {} } }));
assert.equal(client.getServerVersion().name, 'edgellm');
const tools = (await client.listTools()).tools;
for (const name of ['ask', 'embed', 'rerank']) assert.ok(tools.some(tool => tool.name === name && tool.description && tool.inputSchema.type === 'object'), name);
const answer = await client.callTool({ name: 'ask', arguments: { prompt: 'Why is the sky blue?', max_tokens: 16, temperature: 0 } });
assert.ok(!answer.isError && answer.content[0].text.length > 5, JSON.stringify(answer));
const again = await client.callTool({ name: 'ask', arguments: { prompt: 'Why is the sky blue?', max_tokens: 16, temperature: 0 } });
assert.deepEqual(again, answer);
const vectors = await client.callTool({ name: 'embed', arguments: { texts: ['one', 'two'] } });
assert.ok(vectors.isError || JSON.parse(vectors.content[0].text).length === 2, JSON.stringify(vectors));
for (const [name, wrong] of [['ask', {}], ['ask', { prompt: 'x', model: 'nobody' }], ['embed', { texts: 'x' }], ['rerank', { query: 'x' }]]) {
  const refused = await client.callTool({ name, arguments: wrong });
  assert.ok(refused.isError && refused.content[0].text.length > 5, JSON.stringify(refused));
}
await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }));
const abort = new AbortController();
const long = client.callTool({ name: 'ask', arguments: { prompt: 'Tell a long story', max_tokens: 2000 } }, undefined, { signal: abort.signal });
setTimeout(() => abort.abort(), 300);
await assert.rejects(long);
await client.close();
console.log('mcp: tools are listed, called, refused in words and aborted');
