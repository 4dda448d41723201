import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** Where the page has two columns; style.css says so too. */
const WIDE = '(min-width: 861px)';

/** What a narrow page hides at first. */
export function More({ children }: { readonly children: ComponentChildren }) {
  const [isWide, setIsWide] = useState(matchMedia(WIDE).matches);
  useEffect(() => {
    const query = matchMedia(WIDE);
    const follow = () => setIsWide(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  return (
    <details class="more-options" open={isWide}>
      <summary>Options and command line</summary>
      {children}
    </details>
  );
}
