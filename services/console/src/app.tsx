import { TransportProvider } from "@connectrpc/connect-query";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { isProblem } from "./api/problem";
import { transport } from "./api/transport";
import { makeRouter } from "./router";
import { Wanted } from "./shell/Wanted";
import { theme, variables } from "./theme";

// An outage is worth another try; what a person can act on is told at once.
const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 2 && isProblem(error, "unavailable"),
    },
  },
});

const router = makeRouter(queries);

// The page's policy takes styles with its nonce only: Mantine's, and those that keep the page
// behind a dialog from scrolling.
const nonce = () => document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
setNonce(nonce());

// App is everything that every page stands on.
export function App() {
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      getStyleNonce={nonce}
    >
      <TransportProvider transport={transport}>
        <QueryClientProvider client={queries}>
          <RouterProvider router={router} />
          <Wanted />
        </QueryClientProvider>
      </TransportProvider>
    </MantineProvider>
  );
}
