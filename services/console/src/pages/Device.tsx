import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Card, Code, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconCheck, IconCircleX, IconTerminal2 } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { fieldProblem } from "../api/problem";
import { useSession } from "../api/session";
import { type Device, DeviceService } from "../gen/imago/v1/device_pb";
import { Wrong } from "../parts/CodeForm";
import { Page } from "../parts/Page";
import { Empty, Loading } from "../parts/States";
import { Time } from "../parts/Time";
import { Fact } from "./Overview";

// DevicePage lets a command line in that shows a code (RFC 8628): by whoever is signed in,
// who sees what asks before they say yes.
export function DevicePage() {
  const { code } = useSearch({ from: "/signed-in/device" });
  return (
    <Page title="Let a command line in" about="Where imago login shows a code.">
      {code ? <Found key={code} code={code} /> : <Ask />}
    </Page>
  );
}

function Ask({ wrong, before = "" }: { wrong?: string; before?: string }) {
  const navigate = useNavigate();
  const [code, setCode] = useState(before);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    void navigate({ to: "/device", search: { code: code.trim() } });
  };
  return (
    <Card withBorder padding="lg" maw={480}>
      <form onSubmit={submit} noValidate>
        <Stack align="flex-start">
          <TextInput
            label="Code"
            description="As the command line shows it"
            placeholder="BCDF-GHJK"
            autoFocus
            autoComplete="off"
            spellCheck={false}
            w="100%"
            value={code}
            onChange={(e) => setCode(e.currentTarget.value)}
            error={wrong}
          />
          <Button type="submit" disabled={code.trim() === ""}>
            Go on
          </Button>
        </Stack>
      </form>
    </Card>
  );
}

function Found({ code }: { code: string }) {
  const found = useQuery(DeviceService.method.getDevice, { userCode: code }, { retry: false });
  const approve = useMutation(DeviceService.method.approveDevice);
  const deny = useMutation(DeviceService.method.denyDevice);
  if (approve.isSuccess) {
    return (
      <Empty icon={IconCheck} title="It is in">
        Go back to the command line: it goes on by itself. You can close this page.
      </Empty>
    );
  }
  if (deny.isSuccess) {
    return (
      <Empty icon={IconCircleX} title="It was refused">
        Nothing was let in. You can close this page.
      </Empty>
    );
  }
  const wrong = fieldProblem(found.error, "user_code");
  if (wrong) return <Ask wrong={wrong} before={code} />;
  if (found.error) return <Wrong error={found.error} />;
  if (!found.data?.device) return <Loading lines={3} />;
  return (
    <Waiting
      of={found.data.device}
      code={code}
      busy={approve.isPending || deny.isPending}
      error={approve.error ?? deny.error}
      onYes={() => approve.mutate({ userCode: code })}
      onNo={() => deny.mutate({ userCode: code })}
    />
  );
}

function Waiting(p: {
  of: Device;
  code: string;
  busy: boolean;
  error: unknown;
  onYes: () => void;
  onNo: () => void;
}) {
  const session = useSession();
  return (
    <Card withBorder padding="lg" maw={560}>
      <Stack>
        <Text>
          Does your command line show <Code fz="md">{p.code}</Code>, and did you begin this yourself? It will
          act as <b>{session.email}</b> in <b>{session.accountName}</b>.
        </Text>
        <Group gap="xl">
          <Fact name="What it calls itself">{p.of.userAgent || "unknown"}</Fact>
          <Fact name="It asked from">{p.of.sourceIp || "unknown"}</Fact>
          <Fact name="When">
            <Time at={p.of.createdAt} />
          </Fact>
        </Group>
        <Text size="sm" c="dimmed">
          Somebody who sent you here may want to get in as you. Refuse what you do not know.
        </Text>
        {p.error != null && <Wrong error={p.error} />}
        <Group>
          <Button leftSection={<IconTerminal2 size={16} />} loading={p.busy} onClick={p.onYes}>
            Let it in
          </Button>
          <Button variant="default" disabled={p.busy} onClick={p.onNo}>
            Refuse it
          </Button>
        </Group>
      </Stack>
    </Card>
  );
}
