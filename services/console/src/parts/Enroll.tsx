import type { Transport } from "@connectrpc/connect";
import { useMutation } from "@connectrpc/connect-query";
import { Alert, Button, Checkbox, Code, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy, IconDownload, IconKey } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { encode } from "uqr";
import { fieldProblem } from "../api/problem";
import { door, renewed } from "../api/transport";
import { FactorService } from "../gen/imago/v1/factor_pb";
import { Wrong } from "./CodeForm";
import { CodeInput } from "./CodeInput";
import { Loading } from "./States";

// Enroll sets an authenticator app up: its secret, its first code, and the recovery codes,
// which are shown this once. The secret never leaves this page but into the app.
export default function Enroll({ onDone, through }: { onDone: () => void; through?: Transport }) {
  const enroll = useMutation(FactorService.method.enrollTotp, { transport: through });
  const [code, setCode] = useState("");
  const confirm = useMutation(FactorService.method.confirmTotp, {
    transport: door,
    onSuccess: renewed,
    onError: () => setCode(""),
  });
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    enroll.mutate({});
  }, [enroll.mutate]);
  if (confirm.data) return <RecoveryCodes codes={confirm.data.recoveryCodes} onDone={onDone} />;
  if (enroll.error) return <Wrong error={enroll.error} />;
  if (!enroll.data) return <Loading lines={3} />;
  const send = (value: string) => confirm.mutate({ code: value });
  const wrong = fieldProblem(confirm.error, "code");
  return (
    <Stack gap="sm">
      <Text size="sm">1. Scan this with an authenticator app, or type the key into it.</Text>
      <Group wrap="wrap" gap="md" align="flex-start">
        <QR text={enroll.data.uri} />
        <Key of={enroll.data.secret} />
      </Group>
      <Text size="sm">2. Type the code that the app shows.</Text>
      <CodeInput
        label="Code of your authenticator app"
        value={code}
        onChange={setCode}
        onComplete={send}
        wrong={wrong}
        busy={confirm.isPending}
      />
      {confirm.error && !wrong && <Wrong error={confirm.error} />}
      <Group justify="flex-end">
        <Button onClick={() => send(code)} loading={confirm.isPending} disabled={code.length < 6}>
          Confirm
        </Button>
      </Group>
    </Stack>
  );
}

// QR draws a text for a camera, dark on light in both themes.
function QR({ text }: { text: string }) {
  const { data, size } = encode(text, { border: 3 });
  const dark = data.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x} ${y}h1v1h-1z`] : [])));
  return (
    <svg
      role="img"
      aria-label="QR code of the key"
      viewBox={`0 0 ${size} ${size}`}
      width={176}
      height={176}
      shapeRendering="crispEdges"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={dark.join("")} fill="#000" />
    </svg>
  );
}

function Key({ of }: { of: string }) {
  const clipboard = useClipboard();
  return (
    <Stack gap={6} align="flex-start" maw={180}>
      <Text size="sm" fw={500}>
        Key
      </Text>
      <Code aria-label="Key">{of.match(/.{1,4}/g)?.join(" ")}</Code>
      <Button
        size="compact-sm"
        variant="default"
        leftSection={clipboard.copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
        onClick={() => clipboard.copy(of)}
      >
        {clipboard.copied ? "Copied" : "Copy"}
      </Button>
    </Stack>
  );
}

// RecoveryCodes are shown once, and to be kept.
export function RecoveryCodes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  const clipboard = useClipboard();
  const [kept, setKept] = useState(false);
  return (
    <Stack gap="sm">
      <Alert color="teal" icon={<IconKey />} title="Keep these recovery codes">
        Each lets you in once when the app is lost. They are not shown again.
      </Alert>
      <SimpleGrid cols={2} spacing={6} component="ul" p={0} m={0} style={{ listStyle: "none" }}>
        {codes.map((c) => (
          <li key={c}>
            <Code fz="sm">{c}</Code>
          </li>
        ))}
      </SimpleGrid>
      <Group gap="xs">
        <Button
          variant="default"
          size="xs"
          leftSection={clipboard.copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          onClick={() => clipboard.copy(codes.join("\n"))}
        >
          {clipboard.copied ? "Copied" : "Copy"}
        </Button>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconDownload size={14} />}
          onClick={() => download("imago-recovery-codes.txt", codes)}
        >
          Download
        </Button>
      </Group>
      <Checkbox
        label="I keep them where I find them without the app"
        checked={kept}
        onChange={(e) => setKept(e.currentTarget.checked)}
      />
      <Button onClick={onDone} disabled={!kept}>
        Go on
      </Button>
    </Stack>
  );
}

// download hands lines over as a file, made in the browser.
function download(name: string, lines: string[]) {
  const url = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/plain" }));
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  URL.revokeObjectURL(url);
}
