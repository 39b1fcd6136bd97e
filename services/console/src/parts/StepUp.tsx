import { useMutation } from "@connectrpc/connect-query";
import { Button, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { fieldProblem } from "../api/problem";
import { door } from "../api/transport";
import { SessionService } from "../gen/imago/v1/session_pb";
import { Wrong } from "./CodeForm";
import { CodeInput } from "./CodeInput";
import Proof from "./Proof";

// StepUp takes proof anew of who it is, before what cannot be taken back or opens a door: by
// a second factor, else by a code that is mailed for this session alone.
export default function StepUp({ email, onDone }: { email: string; onDone: () => void }) {
  return (
    <Stack gap="sm">
      <Text size="sm">
        This needs proof of the last ten minutes that it is you. It goes on at once after; nothing that you
        typed is lost.
      </Text>
      <Proof label="Go on" onDone={onDone} none={<ByMail email={email} onDone={onDone} />} />
    </Stack>
  );
}

function ByMail({ email, onDone }: { email: string; onDone: () => void }) {
  const [code, setCode] = useState("");
  const request = useMutation(SessionService.method.requestStepUp, { transport: door });
  const prove = useMutation(SessionService.method.stepUp, {
    transport: door,
    onSuccess: onDone,
    onError: () => setCode(""),
  });
  if (!request.data) {
    return (
      <Stack gap="sm">
        {request.error && <Wrong error={request.error} />}
        <Button onClick={() => request.mutate({})} loading={request.isPending} data-autofocus>
          Mail a code to {email}
        </Button>
      </Stack>
    );
  }
  const { attemptId } = request.data;
  const send = (value: string) => prove.mutate({ attemptId, code: value });
  const again = () => {
    prove.reset();
    request.mutate({});
  };
  const wrong = fieldProblem(prove.error, "code");
  return (
    <Stack gap="sm">
      <Text size="sm">
        A code of six digits is on its way to <b>{email}</b>. It works for ten minutes.
      </Text>
      <CodeInput value={code} onChange={setCode} onComplete={send} wrong={wrong} busy={prove.isPending} />
      {prove.error && !wrong && <Wrong error={prove.error} />}
      <Group justify="space-between">
        <Button variant="subtle" size="compact-sm" onClick={again} loading={request.isPending}>
          Mail a new code
        </Button>
        <Button onClick={() => send(code)} loading={prove.isPending} disabled={code.length < 6}>
          Go on
        </Button>
      </Group>
    </Stack>
  );
}
