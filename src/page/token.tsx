import { useState } from 'preact/hooks';

/** Asks for the token of the service. It is kept in this page alone, until it is closed. */
export function Token({ isWrong, onToken }: { readonly isWrong: boolean; onToken(token: string): void }) {
  const [token, setToken] = useState('');
  return (
    <main class="token">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onToken(token.trim());
        }}
      >
        <label class="title" for="token">
          Token
        </label>
        <input
          id="token"
          type="password"
          required
          autocomplete="current-password"
          value={token}
          aria-describedby="token-hint"
          onInput={({ currentTarget: { value } }) => setToken(value)}
        />
        <p class="hint" id="token-hint" role={isWrong ? 'alert' : undefined}>
          {isWrong ? 'This token is wrong.' : 'This service answers with a token only.'} It is in the file of{' '}
          <code>--token-file</code>.
        </p>
        <button type="submit">Open</button>
      </form>
    </main>
  );
}
