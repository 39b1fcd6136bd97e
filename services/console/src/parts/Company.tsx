import { Anchor, Button, Divider, Group, Stack, TextInput } from "@mantine/core";
import { IconBuilding, IconLogin2 } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { fieldProblem } from "../api/problem";
import { useLeave, useMethods } from "../api/sso";
import { Wrong } from "./CodeForm";

// Company leads to where else people sign in: the installation's identity provider, or that
// of their company, whose name they know.
export function Company({ to }: { to?: string }) {
  const methods = useMethods();
  const [naming, setNaming] = useState(false);
  const leave = useLeave(to);
  if (!methods?.provider && !methods?.sso) return null;
  if (naming) return <Named to={to} onBack={() => setNaming(false)} />;
  return (
    <Stack gap="sm" mt="sm">
      <Divider label="or" />
      {methods.provider && (
        <Button
          variant="default"
          leftSection={<IconLogin2 size={16} />}
          loading={leave.isPending || leave.isSuccess}
          onClick={() => leave.mutate({})}
        >
          Sign in with {methods.provider}
        </Button>
      )}
      {leave.error && <Wrong error={leave.error} />}
      {methods.sso && (
        <Button variant="default" leftSection={<IconBuilding size={16} />} onClick={() => setNaming(true)}>
          Use your company's sign-in
        </Button>
      )}
    </Stack>
  );
}

function Named({ to, onBack }: { to?: string; onBack: () => void }) {
  const [slug, setSlug] = useState("");
  const leave = useLeave(to);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    leave.mutate({ slug: slug.trim() });
  };
  const wrong = fieldProblem(leave.error, "slug");
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm" mt="sm">
        <Divider label="or" />
        <TextInput
          label="Your company's name here"
          description="As whoever invited you told you: acme-robotics"
          autoComplete="organization"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          value={slug}
          onChange={(e) => setSlug(e.currentTarget.value)}
          error={wrong}
        />
        {leave.error && !wrong && <Wrong error={leave.error} />}
        <Group justify="space-between">
          <Anchor component="button" type="button" size="sm" onClick={onBack}>
            Back
          </Anchor>
          <Button
            type="submit"
            disabled={slug.trim() === ""}
            loading={leave.isPending || leave.isSuccess}
            rightSection={<IconLogin2 size={16} />}
          >
            Go there
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
