import { Code, ConnectError } from "@connectrpc/connect";

// leave goes to a page of somebody else's: Stripe's, an identity provider's. What is no page
// of the web is an error.
export function leave(url: string) {
  if (!URL.canParse(url) || !["http:", "https:"].includes(new URL(url).protocol)) {
    throw new ConnectError("the page to go on at has no address of the web", Code.Internal);
  }
  window.location.assign(url);
}
