import { Badge, type MantineColor } from "@mantine/core";
import {
  IconAlertOctagon,
  IconAlertTriangle,
  IconCircleCheck,
  IconClock,
  IconInfoCircle,
  IconLoader2,
  IconPencil,
  IconPlus,
  type IconProps,
  IconTrash,
  IconX,
} from "@tabler/icons-react";
import type { ComponentType } from "react";
import { words } from "./format";

// A badge never speaks by its colour alone: it has its word and its picture.
interface Look {
  color: MantineColor;
  icon: ComponentType<IconProps>;
}

const good: Look = { color: "green", icon: IconCircleCheck };
const busy: Look = { color: "blue", icon: IconLoader2 };
const waits: Look = { color: "yellow", icon: IconClock };
const warns: Look = { color: "orange", icon: IconAlertTriangle };
const bad: Look = { color: "red", icon: IconX };
const plain: Look = { color: "gray", icon: IconInfoCircle };

const severities: Record<string, Look> = {
  critical: { color: "red", icon: IconAlertOctagon },
  high: warns,
  medium: { color: "yellow", icon: IconAlertTriangle },
  low: plain,
};

const states: Record<string, Look> = {
  // connections
  new: waits,
  checking: busy,
  ready: good,
  // snapshots
  queued: waits,
  gathering: waits,
  reading: busy,
  running: busy,
  complete: good,
  partial: warns,
  // findings
  open: warns,
  acknowledged: busy,
  accepted: plain,
  snoozed: waits,
  resolved: good,
  // restores
  planning: busy,
  planned: waits,
  approved: waits,
  waiting: waits,
  applying: busy,
  verifying: busy,
  verified: good,
  closing: waits,
  closed: good,
  stopped: bad,
  cancelled: plain,
  // steps
  begun: busy,
  done: good,
  skipped: plain,
  // several of these
  failed: bad,
};

function Shown({ look, word }: { look: Look; word: string }) {
  return (
    <Badge
      style={{ flexShrink: 0 }}
      variant="light"
      color={look.color}
      leftSection={<look.icon size={12} aria-hidden />}
      tt="none"
    >
      {words(word)}
    </Badge>
  );
}

// Severity is how bad a finding is.
export function Severity({ of }: { of: string }) {
  return <Shown look={severities[of] ?? plain} word={of} />;
}

// State is how far something is.
export function State({ of }: { of: string }) {
  return <Shown look={states[of] ?? plain} word={of} />;
}

const ops: Record<string, Look & { past: string }> = {
  create: { color: "green", icon: IconPlus, past: "created" },
  update: { color: "blue", icon: IconPencil, past: "changed" },
  delete: { color: "red", icon: IconTrash, past: "deleted" },
};

// Op is what happened to a resource or, in the word of a plan, what is to happen.
export function Op({ of, word }: { of: string; word?: string }) {
  const op = ops[of];
  return <Shown look={op ?? plain} word={word ?? op?.past ?? of} />;
}
