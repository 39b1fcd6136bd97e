import { useMutation } from "@connectrpc/connect-query";
import { Alert, Button, Divider, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, lazy, type ReactNode, Suspense, useState } from "react";
import { signInByPasskey, usePasskeys } from "../api/passkey";
import { fieldProblem, sentence, trouble } from "../api/problem";
import { door } from "../api/transport";
import { type RequestCodeResponse, SignInService } from "../gen/imago/v1/sign_in_pb";
import { CodeInput } from "./CodeInput";
import { capital } from "./format";
import { PasskeyButton } from "./PasskeyButton";
import { Loading } from "./States";

const AddPasskey = lazy(() => import("./AddPasskey"));
const Enroll = lazy(() => import("./Enroll"));
const Proof = lazy(() => import("./Proof"));

// CodeForm lets somebody in by a code that arrives by mail: first the address, then the
// code, then the second factor where there is one, or one is wanted.
export function CodeForm(p: {
  email?: string;
  invitation?: string;
  others?: ReactNode; // other ways in
  onDone: () => void;
}) {
  const { onDone } = p;
  const [address, setAddress] = useState(p.email ?? "");
  const [factor, setFactor] = useState("");
  const passkeys = usePasskeys();
  const request = useMutation(SignInService.method.requestCode, { transport: door });
  const again = () => {
    setFactor("");
    request.reset();
  };
  if (factor) return <SecondFactor kind={factor} onDone={onDone} onBack={again} />;
  if (request.data) {
    const enter = (wanted: string) => (wanted ? setFactor(wanted) : onDone());
    return (
      <CodeStep
        address={address}
        attempt={request.data}
        invitation={p.invitation}
        onDone={enter}
        onBack={again}
      />
    );
  }
  const submit = (e: FormEvent) => {
    e.preventDefault();
    request.mutate({ email: address });
  };
  const wrong = fieldProblem(request.error, "email");
  return (
    <>
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
          {passkeys && !p.invitation && (
            <>
              <Divider label="or" />
              <PasskeyButton label="Use a passkey" act={signInByPasskey} onDone={onDone} />
            </>
          )}
        </Stack>
      </form>
      {p.others}
    </>
  );
}

function CodeStep(p: {
  address: string;
  attempt: RequestCodeResponse;
  invitation?: string;
  onDone: (secondFactor: string) => void;
  onBack: () => void;
}) {
  const [code, setCode] = useState("");
  const exchange = useMutation(SignInService.method.exchangeCode, {
    transport: door,
    onSuccess: (r) => p.onDone(r.secondFactor),
    onError: () => setCode(""),
  });
  const send = (value: string) =>
    exchange.mutate({
      attemptId: p.attempt.attemptId,
      clientSecret: p.attempt.clientSecret,
      code: value,
      cookie: true,
      invitationToken: p.invitation,
    });
  const wrong = fieldProblem(exchange.error, "code");
  return (
    <Stack gap="sm">
      <Text size="sm">
        If <b>{p.address}</b> may sign in here, a code of six digits is on its way. It works for ten minutes.
      </Text>
      <CodeInput value={code} onChange={setCode} onComplete={send} wrong={wrong} busy={exchange.isPending} />
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

// SecondFactor completes a sign-in that waits for it.
export function SecondFactor(p: { kind: string; onDone: () => void; onBack: () => void }) {
  return (
    <Suspense fallback={<Loading lines={3} />}>
      <Stack gap="sm">
        {p.kind === "enroll" ? (
          <>
            <Text size="sm">
              Your account wants a second factor of everybody. Set one up to go on; this waits for a quarter
              of an hour.
            </Text>
            <Enroll onDone={p.onDone} through={door} />
            <AddPasskey onDone={p.onDone} waiting />
          </>
        ) : (
          <>
            <Text size="sm">Now your second factor. This waits for a quarter of an hour.</Text>
            <Proof label="Sign in" onDone={p.onDone} />
          </>
        )}
        <Button variant="subtle" size="compact-sm" onClick={p.onBack} style={{ alignSelf: "flex-start" }}>
          Start again
        </Button>
      </Stack>
    </Suspense>
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
