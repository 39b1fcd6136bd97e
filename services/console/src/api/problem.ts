import { Code, ConnectError } from "@connectrpc/connect";
import { ProblemSchema } from "../gen/imago/v1/problem_pb";
import { capital } from "../parts/format";

// Trouble is what a person is told of an error: what is wrong, in which field, the way out.
export interface Trouble {
  kind: string;
  field: string;
  what: string;
  hint: string;
}

// trouble reads an error. What the api worded stands in the error's detail; the rest is an
// outage of the network, or a defect.
export function trouble(error: unknown): Trouble {
  const failure = ConnectError.from(error);
  const told = failure.findDetails(ProblemSchema)[0];
  if (told) return { kind: told.kind, field: told.field, what: told.what, hint: told.hint };
  if (failure.code === Code.Unknown || failure.code === Code.Unavailable) {
    return {
      kind: "unavailable",
      field: "",
      what: "Imago does not answer",
      hint: "check your connection, then try again",
    };
  }
  return { kind: "", field: "", what: failure.rawMessage || "something went wrong on our side", hint: "" };
}

// isProblem tells whether an error is of one of the kinds.
export function isProblem(error: unknown, ...kinds: string[]): boolean {
  return error != null && kinds.includes(trouble(error).kind);
}

// fieldProblem is what a form shows at one of its fields.
export function fieldProblem(error: unknown, field: string): string | undefined {
  if (error == null) return undefined;
  const t = trouble(error);
  return t.field === field ? sentence(t) : undefined;
}

// sentence says what is wrong and what to do about it.
export function sentence(t: Trouble): string {
  return capital(t.hint ? `${t.what}: ${t.hint}` : t.what);
}
