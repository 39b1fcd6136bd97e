import { useMutation } from "@connectrpc/connect-query";
import { Button, Group, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { fieldProblem } from "../api/problem";
import { door } from "../api/transport";
import { FactorService } from "../gen/imago/v1/factor_pb";
import { Wrong } from "./CodeForm";
import { CodeInput } from "./CodeInput";

// Verify asks for a code of the authenticator or, for who has lost it, a recovery code.
export default function Verify(p: { label: string; onDone: () => void; recoveryOnly?: boolean }) {
  const [recovering, setRecovering] = useState(p.recoveryOnly ?? false);
  const [code, setCode] = useState("");
  const verify = useMutation(FactorService.method.verifyTotp, {
    transport: door,
    onSuccess: p.onDone,
    onError: () => !recovering && setCode(""),
  });
  const field = recovering ? "recovery_code" : "code";
  const send = (value: string) =>
    verify.mutate(recovering ? { recoveryCode: value.trim() } : { code: value });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    send(code);
  };
  const swap = () => {
    setRecovering(!recovering);
    setCode("");
    verify.reset();
  };
  const wrong = fieldProblem(verify.error, field);
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        {recovering ? (
          <TextInput
            label="Recovery code"
            description="Each works once"
            autoComplete="off"
            spellCheck={false}
            autoFocus
            ff="monospace"
            value={code}
            onChange={(e) => setCode(e.currentTarget.value)}
            error={wrong}
          />
        ) : (
          <CodeInput
            label="Code of your authenticator app"
            value={code}
            onChange={setCode}
            onComplete={send}
            wrong={wrong}
            busy={verify.isPending}
          />
        )}
        {verify.error && !wrong && <Wrong error={verify.error} />}
        <Group justify="space-between">
          {p.recoveryOnly ? (
            <span />
          ) : (
            <Button variant="subtle" size="compact-sm" onClick={swap}>
              {recovering ? "Use the authenticator app" : "Use a recovery code"}
            </Button>
          )}
          <Button
            type="submit"
            loading={verify.isPending}
            disabled={recovering ? code.trim() === "" : code.length < 6}
          >
            {p.label}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
