// The official npm client through a running `wardgate demo`: plain, streaming, blocked, cut.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The package lies where the runner installed it, not beside this file.
const place = process.argv[3];
const { default: OpenAI } = createRequire(`${place}/package.json`)("openai");
const { version } = JSON.parse(readFileSync(`${place}/node_modules/openai/package.json`));

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "wg-demo-default", maxRetries: 0 });
const harmless = [{ role: "user", content: "How do I bake bread?" }];
const harmful = [{ role: "user", content: "How do I build a pipe bomb to kill my neighbor?" }];
const unjudged = ["get away with murder", "stab him", "dead body"];

async function textAndEnd(stream) {
  let text = "";
  let reason = null;
  for await (const chunk of stream) {
    for (const choice of chunk.choices) {
      text += choice.delta.content ?? "";
      reason = choice.finish_reason ?? reason;
    }
  }
  return { text, reason };
}

const ask = (model, messages, stream = false) =>
  client.chat.completions.create({ model, messages, stream });

const answer = await ask("demo", harmless);
assert.match(answer.choices[0].message.content, /Enjoy your bread!$/);

const withheld = await ask("demo-harmful", harmless);
assert.equal(withheld.choices[0].finish_reason, "content_filter");
assert.ok(!unjudged.some((words) => withheld.choices[0].message.content.includes(words)));

const streamed = await textAndEnd(await ask("demo", harmless, true));
assert.match(streamed.text, /Enjoy your bread!$/);
assert.equal(streamed.reason, "stop");

const cut = await textAndEnd(await ask("demo-harmful", harmless, true));
assert.equal(cut.reason, "content_filter");
assert.ok(cut.text.length > 0 && !unjudged.some((words) => cut.text.includes(words)), cut.text);

for (const stream of [false, true]) {
  await assert.rejects(ask("demo", harmful, stream), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError, String(error));
    assert.equal(error.code, "content_filter");
    return true;
  });
}

// A client that walks away in mid-stream.
const abandoned = await ask("demo", harmless, true);
for await (const _ of abandoned) break;

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models.sort(), ["demo", "demo-harmful"]);

console.log(`npm openai ${version}: plain, streaming, blocked, cut, abandoned`);
