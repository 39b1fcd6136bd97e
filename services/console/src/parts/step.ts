import type { Step } from "../gen/imago/v1/restore_pb";

// Doing is what a step does, to be read after its number: a verb, and what it is done to.
interface Doing {
  verb: string;
  what: string;
}

type Words = (s: Step) => Doing;

const member: Record<string, Words> = {
  create: (s) => ({ verb: "add", what: `${s.label} to ${s.parentLabel}` }),
  delete: (s) => ({ verb: "remove", what: `${s.label} from ${s.parentLabel}` }),
};
const assignment: Record<string, Words> = {
  create: (s) => ({ verb: "assign", what: `${s.parentLabel} to ${s.label}` }),
  delete: (s) => ({ verb: "unassign", what: `${s.parentLabel} from ${s.label}` }),
  update: (s) => ({ verb: "change", what: `what ${s.label} has in ${s.parentLabel}` }),
};
const role: Record<string, Words> = {
  create: (s) => ({ verb: "grant", what: `${s.label} to ${s.parentLabel}` }),
  delete: (s) => ({ verb: "revoke", what: `${s.label} of ${s.parentLabel}` }),
};

// What ties one thing to another is neither created nor deleted for who reads of it.
const ties: Record<string, Record<string, Words>> = {
  group_membership: member,
  app_user: assignment,
  app_group: assignment,
  user_role: role,
  group_role: role,
  client_role: role,
};

const verbs: Record<string, string> = { create: "create", update: "change", delete: "delete" };

// typeOf is the type that a step is about.
function typeOf(s: Step): string {
  return s.key.split("/")[0] ?? "";
}

// doing says what a step does.
export function doing(s: Step): Doing {
  const tie = s.parentLabel && ties[typeOf(s)]?.[s.op];
  if (tie) return tie(s);
  return { verb: verbs[s.op] ?? s.op, what: s.parentLabel ? `${s.label} of ${s.parentLabel}` : s.label };
}

// told says it where the type is not told beside it: "Create group Finance".
export function told(s: Step): string {
  const { verb, what } = doing(s);
  const tied = s.parentLabel && ties[typeOf(s)]?.[s.op];
  const type = s.typeTitle.charAt(0).toLowerCase() + s.typeTitle.slice(1);
  const all = tied ? `${verb} ${what}` : `${verb} ${type} ${what}`;
  return all.charAt(0).toUpperCase() + all.slice(1);
}

// Bundle is steps of a plan that are drawn as one.
export interface Bundle {
  id: string;
  label: string;
  op: string;
  steps: Step[];
}

const most = 4; // as many ties of one kind to one thing are drawn each for itself

// bundles draws many ties to one thing as one: a group with a thousand members is one box,
// and one more.
export function bundles(steps: Step[]): Bundle[] {
  const together = new Map<string, Step[]>();
  for (const s of steps) {
    const tied = s.parentLabel && ties[typeOf(s)]?.[s.op];
    const to = tied ? `${s.op} ${s.key.split("/").slice(0, -1).join("/")}` : String(s.n);
    const others = together.get(to);
    if (others) others.push(s);
    else together.set(to, [s]);
  }
  return [...together.values()].flatMap((of) => {
    const [first] = of;
    if (!first || of.length <= most) {
      return of.map((s) => ({ id: String(s.n), label: told(s), op: s.op, steps: [s] }));
    }
    const many = told({ ...first, label: `${of.length} ${plurals[typeOf(first)] ?? "of them"}` });
    return [{ id: String(first.n), label: many, op: first.op, steps: of }];
  });
}

const plurals: Record<string, string> = {
  group_membership: "users",
  app_user: "users",
  app_group: "groups",
  user_role: "roles",
  group_role: "roles",
  client_role: "roles",
};
