import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

// Idp is an identity provider (OpenID Connect Core 1.0) at which one person is signed in
// already: whoever is sent there is sent back at once.
export class Idp {
  readonly clientId = "imago";
  url = "";
  person: { sub: string; email: string } = { sub: "", email: "" };
  refuses = false;

  private readonly server: Server;
  private readonly key: KeyObject;
  private readonly published: object;
  private readonly codes = new Map<string, URLSearchParams>();

  private constructor(readonly clientSecret: string) {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.key = privateKey;
    this.published = { ...publicKey.export({ format: "jwk" }), kid: "one", alg: "ES256", use: "sig" };
    this.server = createServer(async (q, a) => {
      const asked = new URL(q.url ?? "/", this.url);
      if (asked.pathname === "/authorize") {
        a.writeHead(302, { Location: this.back(asked.searchParams) }).end();
        return;
      }
      const answer = asked.pathname === "/token" ? await this.token(q) : this.told(asked.pathname);
      a.writeHead(answer ? 200 : 400, { "Content-Type": "application/json" });
      a.end(JSON.stringify(answer ?? { error: "invalid_grant" }));
    });
  }

  // start serves a provider at a port of this machine's, 0 for any.
  static async start(port = 0, secret = randomBytes(16).toString("hex")): Promise<Idp> {
    const idp = new Idp(secret);
    await new Promise<void>((ready) => idp.server.listen(port, "127.0.0.1", ready));
    idp.url = `http://127.0.0.1:${(idp.server.address() as AddressInfo).port}`;
    return idp;
  }

  stop(): Promise<unknown> {
    return new Promise((done) => this.server.close(done));
  }

  private told(path: string): object | undefined {
    if (path === "/keys") return { keys: [this.published] };
    if (path !== "/.well-known/openid-configuration") return undefined;
    return {
      issuer: this.url,
      authorization_endpoint: `${this.url}/authorize`,
      token_endpoint: `${this.url}/token`,
      jwks_uri: `${this.url}/keys`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
      authorization_response_iss_parameter_supported: true,
      token_endpoint_auth_methods_supported: ["client_secret_basic"],
      code_challenge_methods_supported: ["S256"],
    };
  }

  private back(asked: URLSearchParams): string {
    const to = new URL(asked.get("redirect_uri") ?? "");
    to.searchParams.set("state", asked.get("state") ?? "");
    to.searchParams.set("iss", this.url);
    if (this.refuses) {
      to.searchParams.set("error", "access_denied");
      return to.href;
    }
    const code = randomBytes(16).toString("hex");
    this.codes.set(code, asked);
    to.searchParams.set("code", code);
    return to.href;
  }

  // token takes each code once, of the client that it is for, which proves that it asked
  // for it (RFC 7636).
  private async token(q: IncomingMessage): Promise<object | undefined> {
    let text = "";
    for await (const part of q) text += part;
    const given = new URLSearchParams(text);
    const asked = this.codes.get(given.get("code") ?? "");
    this.codes.delete(given.get("code") ?? "");
    const client = Buffer.from(`${this.clientId}:${this.clientSecret}`).toString("base64");
    const proof = createHash("sha256")
      .update(given.get("code_verifier") ?? "")
      .digest("base64url");
    if (q.headers.authorization !== `Basic ${client}` || proof !== asked?.get("code_challenge"))
      return undefined;
    return { access_token: "none", token_type: "Bearer", id_token: this.signed(asked.get("nonce") ?? "") };
  }

  private signed(nonce: string): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      ...this.person,
      email_verified: true,
      iss: this.url,
      aud: this.clientId,
      iat: now,
      exp: now + 300,
      nonce,
    };
    const part = (of: object) => Buffer.from(JSON.stringify(of)).toString("base64url");
    const text = `${part({ alg: "ES256", kid: "one", typ: "JWT" })}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(text), { key: this.key, dsaEncoding: "ieee-p1363" });
    return `${text}.${signature.toString("base64url")}`;
  }
}
