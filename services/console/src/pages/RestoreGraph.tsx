import dagre from "@dagrejs/dagre";
import { Checkbox, Text, useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import {
  Background,
  Controls,
  type Edge,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useMemo } from "react";
import type { Step } from "../gen/imago/v1/restore_pb";
import { type Bundle, bundles } from "../parts/step";

const size = { width: 240, height: 64 };

type Choice = {
  choosing: boolean;
  left: ReadonlySet<string>;
  leave: (keys: string[]) => void;
};

type Box = Node<Choice & { of: Bundle }, "box">;

// layout sets the steps from left to right in the order in which they can be made.
function layout(all: Bundle[]): { places: Map<string, { x: number; y: number }>; edges: Edge[] } {
  const graph = new dagre.graphlib.Graph().setGraph({ rankdir: "LR", nodesep: 16, ranksep: 56 });
  graph.setDefaultEdgeLabel(() => ({}));
  const owner = new Map(all.flatMap((b) => b.steps.map((s) => [s.n, b.id] as const)));
  const edges = new Map<string, Edge>();
  for (const b of all) graph.setNode(b.id, { ...size });
  for (const b of all) {
    for (const n of new Set(b.steps.flatMap((s) => s.after))) {
      const source = owner.get(n);
      if (!source || source === b.id) continue;
      graph.setEdge(source, b.id);
      edges.set(`${source}-${b.id}`, { id: `${source}-${b.id}`, source, target: b.id });
    }
  }
  dagre.layout(graph);
  const places = new Map(
    all.map((b) => {
      const at = graph.node(b.id);
      return [b.id, { x: at.x - size.width / 2, y: at.y - size.height / 2 }];
    }),
  );
  return { places, edges: [...edges.values()] };
}

const colors: Record<string, string> = { create: "green", update: "blue", delete: "red" };

// StepBox is a step, or many that do the same to one thing; it can be left out here, too.
function StepBox({ data: { of: b, choosing, left, leave } }: NodeProps<Box>) {
  const keys = b.steps.map((s) => s.key);
  const without = keys.filter((k) => left.has(k)).length;
  const label = (
    <Text span size="sm" lineClamp={2}>
      {b.label}
    </Text>
  );
  return (
    <div
      style={{
        ...size,
        display: "flex",
        alignItems: "center",
        padding: "0 14px",
        borderRadius: 8,
        border: `1px solid var(--mantine-color-${colors[b.op] ?? "gray"}-6)`,
        background: "var(--mantine-color-body)",
        textDecoration: without === keys.length ? "line-through" : undefined,
      }}
    >
      <Handle type="target" position={Position.Left} isConnectable={false} />
      {choosing ? (
        <Checkbox
          className="nodrag nopan"
          label={label}
          checked={without === 0}
          indeterminate={without > 0 && without < keys.length}
          onChange={() => leave(without === 0 ? keys : keys.filter((k) => left.has(k)))}
        />
      ) : (
        label
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
}

const kinds = { box: StepBox };

// RestoreGraph draws what depends on what. The list beside it says the same in words.
export default function RestoreGraph({ steps, ...choice }: { steps: Step[] } & Choice) {
  const scheme = useComputedColorScheme();
  const { ref, width } = useElementSize();
  const { choosing, left, leave } = choice;
  const all = useMemo(() => bundles(steps), [steps]);
  const { places, edges } = useMemo(() => layout(all), [all]);
  const nodes = useMemo(
    () =>
      all.map(
        (of): Box => ({
          id: of.id,
          type: "box",
          position: places.get(of.id) ?? { x: 0, y: 0 },
          data: { of, choosing, left, leave },
          ariaLabel: of.label,
          ...size,
        }),
      ),
    [all, places, choosing, left, leave],
  );
  return (
    <div
      ref={ref}
      style={{
        height: "min(65vh, 640px)",
        border: "1px solid var(--mantine-color-default-border)",
        borderRadius: 8,
      }}
    >
      <ReactFlow
        key={Math.round(width)} // fitted anew
        nodes={nodes}
        edges={edges}
        nodeTypes={kinds}
        colorMode={scheme}
        fitView
        fitViewOptions={{ padding: 0.08, maxZoom: 1 }}
        minZoom={0.05}
        nodesConnectable={false}
        nodesDraggable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        onlyRenderVisibleElements
        proOptions={{ hideAttribution: true }}
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}
