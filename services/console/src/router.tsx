import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { currentSession } from "./api/session";
import { Failed, Loading, NotFound } from "./parts/States";

// text reads a search parameter that is text; anything else counts as absent.
const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

const root = createRootRouteWithContext<{ queries: QueryClient }>()({ notFoundComponent: NotFound });

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (s: Record<string, unknown>): { to?: string; factor?: string } => ({
    to: text(s.to),
    factor: text(s.factor),
  }),
  component: lazyRouteComponent(() => import("./pages/SignIn"), "SignIn"),
});

const sso = createRoute({
  getParentRoute: () => root,
  path: "/sign-in/sso/$provider",
  component: lazyRouteComponent(() => import("./pages/Sso"), "Sso"),
});

const invitation = createRoute({
  getParentRoute: () => root,
  path: "/invitation",
  component: lazyRouteComponent(() => import("./pages/Invitation"), "Invitation"),
});

// signedIn is above every page that shows an account.
const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  beforeLoad: async ({ context, location }) => {
    if (!(await currentSession(context.queries)))
      throw redirect({ to: "/sign-in", search: { to: location.href } });
  },
  component: lazyRouteComponent(() => import("./shell/Shell"), "Shell"),
});

const overview = createRoute({
  getParentRoute: () => signedIn,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/Overview"), "Overview"),
});

const connect = createRoute({
  getParentRoute: () => signedIn,
  path: "/connect",
  component: lazyRouteComponent(() => import("./pages/Connect"), "Connect"),
});

// connection is above the pages of one org.
const connection = createRoute({ getParentRoute: () => signedIn, path: "/orgs/$connectionId" });

const connectionHome = createRoute({
  getParentRoute: () => connection,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/Connection"), "ConnectionPage"),
});

const snapshots = createRoute({
  getParentRoute: () => connection,
  path: "/snapshots",
  component: lazyRouteComponent(() => import("./pages/Snapshots"), "Snapshots"),
});

// Filtering is which findings are looked at.
export interface Filtering {
  shelf?: string;
  severity?: string;
  type?: string;
  actor?: string;
  since?: string; // days: 2026-11-22
  until?: string;
}

const findings = createRoute({
  getParentRoute: () => connection,
  path: "/changes",
  validateSearch: (s: Record<string, unknown>): Filtering => ({
    shelf: text(s.shelf),
    severity: text(s.severity),
    type: text(s.type),
    actor: text(s.actor),
    since: text(s.since),
    until: text(s.until),
  }),
  component: lazyRouteComponent(() => import("./pages/Findings"), "Findings"),
});

const compare = createRoute({
  getParentRoute: () => connection,
  path: "/compare",
  validateSearch: (s: Record<string, unknown>): { before?: string; after?: string; restore?: string } => ({
    before: text(s.before),
    after: text(s.after),
    restore: text(s.restore),
  }),
  component: lazyRouteComponent(() => import("./pages/Compare"), "Compare"),
});

const restores = createRoute({
  getParentRoute: () => connection,
  path: "/restores",
  component: lazyRouteComponent(() => import("./pages/Restores"), "Restores"),
});

const snapshot = createRoute({
  getParentRoute: () => signedIn,
  path: "/snapshots/$snapshotId",
  component: lazyRouteComponent(() => import("./pages/Snapshot"), "SnapshotPage"),
});

const moment = createRoute({
  getParentRoute: () => connection,
  path: "/browse",
  validateSearch: (s: Record<string, unknown>): { at?: string } => ({ at: text(s.at) }),
  component: lazyRouteComponent(() => import("./pages/Moment"), "Moment"),
});

// Browsing is what is looked at of a snapshot: what was found in all of it, or one type.
interface Browsing {
  at?: string; // the moment that was asked for, which this snapshot shows
  find?: string;
  fields?: boolean;
  type?: string;
  search?: string;
  parent?: string;
}

const browse = createRoute({
  getParentRoute: () => signedIn,
  path: "/snapshots/$snapshotId/browse",
  validateSearch: (s: Record<string, unknown>): Browsing => ({
    at: text(s.at),
    find: text(s.find),
    fields: s.fields === true ? true : undefined,
    type: text(s.type),
    search: text(s.search),
    parent: text(s.parent),
  }),
  component: lazyRouteComponent(() => import("./pages/Browse"), "Browse"),
});

const object = createRoute({
  getParentRoute: () => signedIn,
  path: "/snapshots/$snapshotId/object",
  validateSearch: (s: Record<string, unknown>): { key: string } => ({ key: text(s.key) ?? "" }),
  component: lazyRouteComponent(() => import("./pages/Object"), "ObjectPage"),
});

const planRestore = createRoute({
  getParentRoute: () => signedIn,
  path: "/snapshots/$snapshotId/restore",
  validateSearch: (s: Record<string, unknown>): { keys?: string[] } => ({
    keys: Array.isArray(s.keys) ? s.keys.filter((k) => typeof k === "string") : undefined,
  }),
  component: lazyRouteComponent(() => import("./pages/PlanRestore"), "PlanRestore"),
});

const finding = createRoute({
  getParentRoute: () => signedIn,
  path: "/changes/$findingId",
  component: lazyRouteComponent(() => import("./pages/Finding"), "FindingPage"),
});

const restore = createRoute({
  getParentRoute: () => signedIn,
  path: "/restores/$restoreId",
  component: lazyRouteComponent(() => import("./pages/Restore"), "RestorePage"),
});

const activity = createRoute({
  getParentRoute: () => signedIn,
  path: "/activity",
  component: lazyRouteComponent(() => import("./pages/Activity"), "ActivityPage"),
});

const team = createRoute({
  getParentRoute: () => signedIn,
  path: "/team",
  component: lazyRouteComponent(() => import("./pages/Team"), "Team"),
});

const accounts = createRoute({
  getParentRoute: () => signedIn,
  path: "/accounts",
  component: lazyRouteComponent(() => import("./pages/Accounts"), "Accounts"),
});

const device = createRoute({
  getParentRoute: () => signedIn,
  path: "/device",
  validateSearch: (s: Record<string, unknown>): { code?: string } => ({ code: text(s.code) }),
  component: lazyRouteComponent(() => import("./pages/Device"), "DevicePage"),
});

const settings = createRoute({
  getParentRoute: () => signedIn,
  path: "/settings",
  component: lazyRouteComponent(() => import("./pages/Settings"), "Settings"),
});

const tokens = createRoute({
  getParentRoute: () => signedIn,
  path: "/settings/tokens",
  component: lazyRouteComponent(() => import("./pages/Tokens"), "Tokens"),
});

const billing = createRoute({
  getParentRoute: () => signedIn,
  path: "/billing",
  validateSearch: (s: Record<string, unknown>): { checkout?: string } => ({ checkout: text(s.checkout) }),
  component: lazyRouteComponent(() => import("./pages/Billing"), "Billing"),
});

const pages = [
  overview,
  connect,
  connection.addChildren([connectionHome, snapshots, moment, findings, compare, restores]),
  snapshot,
  browse,
  object,
  planRestore,
  finding,
  restore,
  activity,
  team,
  accounts,
  device,
  settings,
  tokens,
  billing,
];

// makeRouter makes the console's addresses; each page's code comes when it is first opened.
export function makeRouter(queries: QueryClient) {
  return createRouter({
    routeTree: root.addChildren([signIn, sso, invitation, signedIn.addChildren(pages)]),
    context: { queries },
    defaultPreload: "intent",
    defaultPendingComponent: Loading,
    defaultErrorComponent: ({ error, reset }) => <Failed error={error} again={reset} />,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
