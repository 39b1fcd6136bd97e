import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dir, ports } from "./stage";

// The simulated org as its administrators see it: through Okta's own API.

// org is its address.
export const org = () => `http://${ports().okta}`;

// Admin is somebody at work in the org, from an address of their own.
export interface Admin {
  call: (method: string, path: string, body?: unknown) => Promise<unknown>;
}

// admin has the simulator make a token, as the person would in the admin console.
export async function admin(login: string, ip: string): Promise<Admin> {
  const { control } = JSON.parse(readFileSync(join(dir(), "oktasim.ready"), "utf8"));
  const { token } = (await send(
    "POST",
    `${control}/control/v1/api-tokens`,
    { login, name: "browser" },
    {},
  )) as {
    token: string;
  };
  const headers = {
    Authorization: `SSWS ${token}`,
    "X-Forwarded-For": ip,
    "User-Agent": "Okta admin console",
  };
  return { call: (method, path, body) => send(method, org() + path, body, headers) };
}

async function send(method: string, url: string, body: unknown, headers: Record<string, string>) {
  const answer = await fetch(url, {
    method,
    headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

// serviceApp makes what the console asks for: an app with the key, the scopes, the role.
export async function serviceApp(
  by: Admin,
  label: string,
  app: { jwk: unknown; scopes: string[]; role: string },
): Promise<string> {
  const { id } = (await by.call("POST", "/api/v1/apps", {
    name: "oidc_client",
    label,
    signOnMode: "OPENID_CONNECT",
    credentials: { oauthClient: { token_endpoint_auth_method: "private_key_jwt" } },
    settings: {
      oauthClient: {
        application_type: "service",
        grant_types: ["client_credentials"],
        response_types: ["token"],
        jwks: { keys: [app.jwk] },
      },
    },
  })) as { id: string };
  for (const scopeId of app.scopes) {
    await by.call("POST", `/api/v1/apps/${id}/grants`, { scopeId, issuer: org() });
  }
  await by.call("POST", `/oauth2/v1/clients/${id}/roles`, { type: app.role });
  return id;
}

// group finds a group by its name; undefined: there is none.
export async function group(by: Admin, name: string): Promise<string | undefined> {
  const found = (await by.call("GET", `/api/v1/groups?q=${encodeURIComponent(name)}`)) as {
    id: string;
    profile: { name: string };
  }[];
  return found.find((g) => g.profile.name === name)?.id;
}

// members counts a group's members, up to Okta's page of 200.
export async function members(by: Admin, id: string): Promise<number> {
  return ((await by.call("GET", `/api/v1/groups/${id}/users?limit=200`)) as unknown[]).length;
}
