import dagre from "@dagrejs/dagre";
import { useComputedColorScheme } from "@mantine/core";
import { Background, Controls, type Edge, type Node, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useMemo } from "react";
import type { Step } from "../gen/imago/v1/restore_pb";

const size = { width: 220, height: 56 };

const verbs: Record<string, string> = { create: "Create", update: "Change", delete: "Delete" };

// layout sets the steps from left to right in the order in which they can be made.
function layout(steps: Step[]): { nodes: Node[]; edges: Edge[] } {
  const graph = new dagre.graphlib.Graph().setGraph({ rankdir: "LR", nodesep: 16, ranksep: 56 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const s of steps) graph.setNode(String(s.n), { ...size });
  const edges = steps.flatMap((s) =>
    s.after.map((n) => ({ id: `${n}-${s.n}`, source: String(n), target: String(s.n) })),
  );
  for (const e of edges) graph.setEdge(e.source, e.target);
  dagre.layout(graph);
  const nodes = steps.map((s) => {
    const at = graph.node(String(s.n));
    return {
      id: String(s.n),
      position: { x: at.x - size.width / 2, y: at.y - size.height / 2 },
      data: { label: `${verbs[s.op] ?? s.op} ${s.label}` },
      ariaLabel: `Step ${s.n}: ${verbs[s.op] ?? s.op} ${s.typeTitle} ${s.label}`,
      sourcePosition: Position.Right,
      targetPosition: Position.Left,
      style: { width: size.width, ...looks[s.op] },
    };
  });
  return { nodes, edges };
}

const looks: Record<string, { borderColor: string }> = {
  create: { borderColor: "var(--mantine-color-green-6)" },
  update: { borderColor: "var(--mantine-color-blue-6)" },
  delete: { borderColor: "var(--mantine-color-red-6)" },
};

// RestoreGraph draws what depends on what. The list beside it says the same in words.
export default function RestoreGraph({ steps }: { steps: Step[] }) {
  const scheme = useComputedColorScheme();
  const { nodes, edges } = useMemo(() => layout(steps), [steps]);
  return (
    <div
      style={{
        height: "min(65vh, 640px)",
        border: "1px solid var(--mantine-color-default-border)",
        borderRadius: 8,
      }}
    >
      <ReactFlow
        nodes={nodes}
        edges={edges}
        colorMode={scheme}
        fitView
        fitViewOptions={{ minZoom: 0.8 }}
        nodesConnectable={false}
        nodesDraggable={false}
        proOptions={{ hideAttribution: true }}
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}
