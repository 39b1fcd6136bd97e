import { Modal, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { sessionQuery } from "../api/session";
import { onSessionEnd } from "../api/transport";
import { CodeForm } from "../parts/CodeForm";

// SignInAgain asks who was signed in for a new code, above the page they were at: the page
// keeps what was typed, and what it asked for goes on when they are back.
export function SignInAgain() {
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const done = useRef<() => void>(undefined);
  useEffect(
    () =>
      onSessionEnd(
        () =>
          new Promise<void>((resolve) => {
            done.current = resolve;
            setOpen(true);
          }),
      ),
    [],
  );
  const before = queries.getQueryData(sessionQuery.queryKey);
  const back = () => {
    setOpen(false);
    done.current?.();
    void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
  };
  return (
    <Modal
      opened={open}
      onClose={() => window.location.assign("/sign-in")}
      title="Sign in again to go on"
      centered
    >
      <Stack gap="sm">
        <Text size="sm">
          Your session has ended, or this needs proof of the last ten minutes that it is you. Nothing that you
          typed is lost.
        </Text>
        {open && <CodeForm email={before?.email} onDone={back} />}
      </Stack>
    </Modal>
  );
}
