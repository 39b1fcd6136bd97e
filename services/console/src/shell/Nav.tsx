import { Divider, NavLink, Select, Stack } from "@mantine/core";
import {
  IconActivity,
  IconArrowBackUp,
  IconArrowsDiff,
  IconBell,
  IconCamera,
  IconCreditCard,
  IconFolderOpen,
  IconLayoutDashboard,
  IconPlugConnected,
  type IconProps,
  IconSettings,
  IconUsers,
} from "@tabler/icons-react";
import { Link, type LinkProps, useNavigate, useRouter, useRouterState } from "@tanstack/react-router";
import type { ComponentType } from "react";
import { useSells } from "../api/billing";
import { useConnections } from "../api/connections";
import { useMay } from "../api/session";
import { useHere } from "./here";

// Nav is what there is: of one org, which is chosen at the top, and of the account.
export function Nav() {
  const here = useHere();
  const mayViewActivity = useMay("view_activity");
  const sells = useSells();
  const mayConnect = useMay("edit_connection");
  return (
    <Stack gap={2} component="nav" aria-label="Main">
      <Item label="Overview" icon={IconLayoutDashboard} link={{ to: "/" }} exact />
      {here && <OfOrg connectionId={here} />}
      <Divider my="xs" />
      {mayConnect && <Item label="Connect an org" icon={IconPlugConnected} link={{ to: "/connect" }} />}
      <Item label="Team" icon={IconUsers} link={{ to: "/team" }} />
      {sells && <Item label="Billing" icon={IconCreditCard} link={{ to: "/billing" }} />}
      <Item label="Settings" icon={IconSettings} link={{ to: "/settings" }} />
      {mayViewActivity && <Item label="Activity" icon={IconActivity} link={{ to: "/activity" }} />}
    </Stack>
  );
}

// OfOrg is the pages of the org that is looked at.
function OfOrg({ connectionId }: { connectionId: string }) {
  const params = { connectionId };
  const mayOpen = useMay("open_snapshot");
  return (
    <>
      <Divider my="xs" />
      <OrgSelect connectionId={connectionId} />
      <Item label="This org" icon={IconPlugConnected} link={{ to: "/orgs/$connectionId", params }} exact />
      <Item
        label="Changes"
        icon={IconBell}
        link={{ to: "/orgs/$connectionId/changes", params }}
        below={/^\/changes\//}
      />
      <Item
        label="Snapshots"
        icon={IconCamera}
        link={{ to: "/orgs/$connectionId/snapshots", params }}
        below={/^\/snapshots\/[^/]+\/?$/}
      />
      {mayOpen && (
        <Item
          label="Browse"
          icon={IconFolderOpen}
          link={{ to: "/orgs/$connectionId/browse", params }}
          below={/^\/snapshots\/[^/]+\/(browse|object)/}
        />
      )}
      <Item label="Compare" icon={IconArrowsDiff} link={{ to: "/orgs/$connectionId/compare", params }} />
      <Item
        label="Restores"
        icon={IconArrowBackUp}
        link={{ to: "/orgs/$connectionId/restores", params }}
        below={/^\/(restores\/|snapshots\/[^/]+\/restore)/}
      />
    </>
  );
}

function OrgSelect({ connectionId }: { connectionId: string }) {
  const navigate = useNavigate();
  const connections = useConnections();
  const all = connections.data ?? [];
  if (all.length < 2) return null;
  return (
    <Select
      aria-label="Org"
      size="sm"
      mb={4}
      allowDeselect={false}
      searchable={all.length > 8}
      data={all.map((c) => ({ value: c.id, label: c.name }))}
      value={connectionId}
      onChange={(id) => id && navigate({ to: "/orgs/$connectionId", params: { connectionId: id } })}
    />
  );
}

// Item is a page of the menu. below are the addresses of what it leads on to, where those do
// not begin with its own.
function Item(p: {
  label: string;
  icon: ComponentType<IconProps>;
  link: LinkProps;
  exact?: boolean;
  below?: RegExp;
}) {
  const path = useRouterState({ select: (s) => s.location.pathname });
  const own = useRouter().buildLocation(p.link).pathname;
  const active = path === own || (!p.exact && path.startsWith(`${own}/`)) || p.below?.test(path) === true;
  return (
    <NavLink
      label={p.label}
      leftSection={<p.icon size={18} stroke={1.6} aria-hidden />}
      active={active}
      aria-current={path === own ? "page" : active ? "true" : undefined}
      renderRoot={(props) => <Link {...p.link} activeOptions={{ exact: p.exact }} {...props} />}
      style={{ borderRadius: "var(--mantine-radius-md)" }}
    />
  );
}
