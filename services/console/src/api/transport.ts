import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { SignInService } from "../gen/imago/v1/sign_in_pb";
import { isProblem } from "./problem";

// ask is how the console asks a person to sign in again. While it does, the calls that
// were refused wait, and are made once more after: no plan and nothing typed is lost.
type Ask = () => Promise<void>;

let ask: Ask | undefined;
let asking: Promise<void> | undefined;

// onSessionEnd says who asks; what it gives takes that back.
export function onSessionEnd(fn: Ask): () => void {
  ask = fn;
  return () => {
    ask = undefined;
  };
}

function signedInAgain(fn: Ask): Promise<void> {
  asking ??= fn().finally(() => {
    asking = undefined;
  });
  return asking;
}

const again: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    // A new sign-in is proof of who it is, too, which the server wants before what cannot be
    // taken back.
    const ended = ConnectError.from(error).code === Code.Unauthenticated || isProblem(error, "step_up");
    if (!ended || !ask || request.service.typeName === SignInService.typeName) throw error;
    await signedInAgain(ask);
    return next(request);
  }
};

export const transport = createConnectTransport({ baseUrl: window.location.origin, interceptors: [again] });
