import { Group, Modal } from "@mantine/core";
import type { ReactNode } from "react";
import { useTopmost } from "./topmost";

// Dialog asks something above the page. Its head is no second banner of the page, which
// Modal's own would be. A click beside it does not end it: what was typed, or is shown
// once, would be lost. Escape ends the topmost alone, where one asks above another.
export function Dialog(p: {
  opened: boolean;
  onClose: () => void;
  title: string;
  closing?: string; // what closing it means
  children: ReactNode;
}) {
  const topmost = useTopmost(p.opened);
  return (
    <Modal.Root
      opened={p.opened}
      onClose={p.onClose}
      closeOnClickOutside={false}
      closeOnEscape={topmost}
      centered
    >
      <Modal.Overlay />
      <Modal.Content>
        <Group justify="space-between" wrap="nowrap" p="md" pb={0}>
          <Modal.Title fw={600}>{p.title}</Modal.Title>
          <Modal.CloseButton aria-label={p.closing ?? "Close"} />
        </Group>
        <Modal.Body pt="xs">{p.children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
