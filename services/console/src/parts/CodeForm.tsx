import { useMutation } from "@connectrpc/connect-query";
import { Alert, Button, Group, Input, PinInput, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useId, useState } from "react";
import { fieldProblem, sentence, trouble } from "../api/problem";
import { type RequestCodeResponse, SignInService } from "../gen/imago/v1/sign_in_pb";
import { capital } from "../parts/format";

// CodeForm lets somebody in by a code that arrives by mail: first the address, then the code.
export function CodeForm({ email, onDone }: { email?: string; onDone: () => void }) {
  const [address, setAddress] = useState(email ?? "");
  const request = useMutation(SignInService.method.requestCode);
  if (request.data) {
    return <CodeStep address={address} attempt={request.data} onDone={onDone} onBack={request.reset} />;
  }
  const submit = (e: FormEvent) => {
    e.preventDefault();
    request.mutate({ email: address });
  };
  const wrong = fieldProblem(request.error, "email");
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <TextInput
          label="Mail address"
          type="email"
          name="email"
          autoComplete="username"
          required
          data-autofocus
          autoFocus
          value={address}
          onChange={(e) => setAddress(e.currentTarget.value)}
          error={wrong}
        />
        {request.error && !wrong && <Wrong error={request.error} />}
        <Button type="submit" loading={request.isPending} fullWidth>
          Mail me a code
        </Button>
      </Stack>
    </form>
  );
}

function CodeStep(p: {
  address: string;
  attempt: RequestCodeResponse;
  onDone: () => void;
  onBack: () => void;
}) {
  const [code, setCode] = useState("");
  const id = useId();
  const exchange = useMutation(SignInService.method.exchangeCode, {
    onSuccess: p.onDone,
    onError: () => setCode(""),
  });
  const send = (value: string) =>
    exchange.mutate({
      attemptId: p.attempt.attemptId,
      clientSecret: p.attempt.clientSecret,
      code: value,
      cookie: true,
    });
  const wrong = fieldProblem(exchange.error, "code");
  return (
    <Stack gap="sm">
      <Text size="sm">
        If <b>{p.address}</b> may sign in here, a code of six digits is on its way. It works for ten minutes.
      </Text>
      <Input.Wrapper label="Code" id={id} error={wrong}>
        <PinInput
          id={id}
          length={6}
          type="number"
          oneTimeCode
          autoFocus
          value={code}
          onChange={setCode}
          onComplete={send}
          disabled={exchange.isPending}
          error={!!wrong}
          getInputProps={(i) => ({ "aria-label": `Digit ${i + 1} of 6` })}
        />
      </Input.Wrapper>
      {exchange.error && !wrong && <Wrong error={exchange.error} />}
      <Group justify="space-between">
        <Button variant="subtle" size="compact-sm" onClick={p.onBack}>
          Another address, or a new code
        </Button>
        <Button onClick={() => send(code)} loading={exchange.isPending} disabled={code.length < 6}>
          Sign in
        </Button>
      </Group>
    </Stack>
  );
}

// Wrong tells what is wrong with no field in particular.
export function Wrong({ error }: { error: unknown }) {
  return (
    <Alert color="red" role="alert" p="xs">
      {capital(sentence(trouble(error)))}
    </Alert>
  );
}
