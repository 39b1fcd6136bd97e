import { Button, Group, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Wrong } from "./CodeForm";
import { Dialog } from "./Dialog";

// Confirmed is a button for what ends something: it says what that means, and asks again.
export function Confirmed(p: {
  label: string;
  title: string;
  text: string;
  of: { isPending: boolean; error: unknown };
  onYes: () => void;
}) {
  const [asking, ask] = useDisclosure();
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={ask.open}>
        {p.label}
      </Button>
      <Dialog opened={asking} onClose={ask.close} title={p.title}>
        <Stack gap="md">
          <Text size="sm">{p.text}</Text>
          {p.of.error != null && <Wrong error={p.of.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={ask.close}>
              Back
            </Button>
            <Button color="red" loading={p.of.isPending} onClick={p.onYes}>
              {p.label}
            </Button>
          </Group>
        </Stack>
      </Dialog>
    </>
  );
}
