import { Button, Center } from "@mantine/core";
import { useEffect, useRef } from "react";

// More asks for the next page when somebody comes near the end of what is shown; it is a
// button, too, for who comes by keyboard.
export function More(p: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown }) {
  const end = useRef<HTMLDivElement>(null);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = p;
  useEffect(() => {
    if (!end.current || !hasNextPage || isFetchingNextPage) return;
    const seen = new IntersectionObserver((es) => es.some((e) => e.isIntersecting) && fetchNextPage(), {
      rootMargin: "400px",
    });
    seen.observe(end.current);
    return () => seen.disconnect();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (!hasNextPage) return null;
  return (
    <Center ref={end} py="md">
      <Button variant="default" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
        Show more
      </Button>
    </Center>
  );
}
