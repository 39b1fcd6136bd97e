import type { Page } from "@playwright/test";

// What the server is made to answer, where the story does not come to it by itself.

// answer has an RPC answer this, as Connect's JSON has it.
export async function answer(page: Page, rpc: string, body: unknown): Promise<void> {
  await page.route(`**/imago.v1.${rpc}`, (route) => route.fulfill({ json: body }));
}

// stream has an RPC send this, and end (https://connectrpc.com/docs/protocol#streaming-rpcs).
export async function stream(page: Page, rpc: string, ...messages: unknown[]): Promise<void> {
  const frame = (flags: number, body: unknown) => {
    const json = Buffer.from(JSON.stringify(body));
    const head = Buffer.alloc(5);
    head.writeUInt8(flags);
    head.writeUInt32BE(json.length, 1);
    return Buffer.concat([head, json]);
  };
  const body = Buffer.concat([...messages.map((m) => frame(0, m)), frame(2, {})]);
  await page.route(`**/imago.v1.${rpc}`, (route) =>
    route.fulfill({ contentType: "application/connect+json", body }),
  );
}

// Problem is one that the server words.
interface Problem {
  kind: string;
  what: string;
  hint?: string;
}

const codes: Record<string, [status: number, code: string]> = {
  denied: [403, "permission_denied"],
  step_up: [403, "permission_denied"],
  unavailable: [503, "unavailable"],
  not_found: [404, "not_found"],
};

// refusal is how a problem is answered (https://connectrpc.com/docs/protocol#error-end-stream).
export function refusal(p: Problem) {
  const [status, code] = codes[p.kind] ?? [400, "invalid_argument"];
  const details = [{ type: "imago.v1.Problem", value: encoded(p) }];
  return {
    status,
    contentType: "application/json",
    body: JSON.stringify({ code, message: p.what, details }),
  };
}

// refuse has an RPC refuse.
export async function refuse(page: Page, rpc: string, p: Problem): Promise<void> {
  await page.route(`**/imago.v1.${rpc}`, (route) => route.fulfill(refusal(p)));
}

// encoded is a Problem in protobuf's encoding, in base64 without its padding: fields 1, 3 and
// 4 are text, each below 128 bytes.
function encoded(p: Problem): string {
  const field = (n: number, text = "") => [(n << 3) | 2, Buffer.byteLength(text), ...Buffer.from(text)];
  return Buffer.from([...field(1, p.kind), ...field(3, p.what), ...field(4, p.hint)])
    .toString("base64")
    .replace(/=+$/, "");
}
