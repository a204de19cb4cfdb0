// What the unmodified openai package for Node makes of the gateway: one JSON document on stdout.
// Environment: OPENAI_BASE_URL, OPENAI_API_KEY; arguments: names of the chat and, if there is one, the embedding model.
import OpenAI from "openai";

const [chatModel, embeddingModel] = process.argv.slice(2);
const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: "user", content: "hello" }];

const whole = await client.chat.completions.create({ model: chatModel, messages }).withResponse();
const chunks = [];
const stream = await client.chat.completions.create({
  model: chatModel,
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) chunks.push(chunk);
const vectors = embeddingModel
  ? await client.embeddings.create({ model: embeddingModel, input: ["a", "b"] })
  : { data: [] };
const models = [];
for await (const model of client.models.list()) models.push(model.id);
const refused = await client.chat.completions
  .create({ model: "no-such-model", messages })
  .catch((error) => ({ kind: error.constructor.name, status: error.status, code: error.code }));

console.log(
  JSON.stringify({
    text: whole.data.choices[0].message.content,
    usage: whole.data.usage,
    task: whole.response.headers.get("x-mlbridge-task-id"),
    requestId: whole.request_id,
    streamed: chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""),
    finish: chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean),
    streamUsage: chunks.at(-1).usage,
    lengths: vectors.data.map((item) => item.embedding.length),
    models,
    retrieved: (await client.models.retrieve(chatModel)).id,
    refused,
  }),
);
