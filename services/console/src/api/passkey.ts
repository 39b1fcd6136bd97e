import { type Client, createClient } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { PasskeyService } from "../gen/imago/v1/passkey_pb";
import { SignInService } from "../gen/imago/v1/sign_in_pb";
import { door, renewed, transport } from "./transport";

// usePasskeys tells whether passkeys are taken here, by this browser.
export function usePasskeys(): boolean {
  const methods = useQuery(
    SignInService.method.getSignInMethods,
    {},
    { transport: door, staleTime: Infinity },
  );
  return (
    methods.data?.passkeys === true && "parseRequestOptionsFromJSON" in (window.PublicKeyCredential ?? {})
  );
}

const outside = createClient(PasskeyService, door);
const inside = createClient(PasskeyService, transport);

// Refused is when a person, or their device, gives no passkey.
export class Refused extends Error {
  constructor(cause: unknown) {
    super("no passkey was given: try again, or go another way", { cause });
  }
}

// signInByPasskey lets in by any passkey of this installation's.
export async function signInByPasskey(): Promise<void> {
  const { ceremonyId, clientSecret, options } = await outside.beginPasskeySignIn({});
  await outside.finishPasskeySignIn({
    ceremonyId,
    clientSecret,
    credential: await got(options),
    cookie: true,
  });
}

// proveByPasskey gives one of one's own: as a second factor, or to step up.
export async function proveByPasskey(): Promise<void> {
  const { ceremonyId, options } = await outside.beginPasskeyProof({});
  await outside.finishPasskeyProof({ ceremonyId, credential: await got(options) });
}

// addPasskey registers a new one, and gives the recovery codes if the person had none.
export async function addPasskey(name: string, waiting = false): Promise<string[]> {
  const by: Client<typeof PasskeyService> = waiting ? outside : inside;
  const { ceremonyId, options } = await by.beginPasskeyRegistration({});
  const asked = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options));
  const credential = await given(navigator.credentials.create({ publicKey: asked }));
  const { recoveryCodes } = await outside.finishPasskeyRegistration({ ceremonyId, credential, name });
  renewed();
  return recoveryCodes;
}

// got asks the browser for a passkey's answer.
function got(options: string): Promise<string> {
  const asked = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options));
  return given(navigator.credentials.get({ publicKey: asked }));
}

async function given(asked: Promise<Credential | null>): Promise<string> {
  try {
    return JSON.stringify(((await asked) as PublicKeyCredential).toJSON());
  } catch (error) {
    throw new Refused(error);
  }
}
