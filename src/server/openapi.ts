import { SCHEMAS } from './answer-schemas.ts';
import type { Routes } from './route.ts';

/** Describes the routes as OpenAPI 3.1. @param isGuarded whether requests need a token */
export function openApiDocument(routes: Routes, version: string, isGuarded: boolean): object {
  const paths = Object.entries(routes).map(([path, methods]) => [
    path,
    Object.fromEntries(
      Object.entries(methods).map(([method, { operation, access = 'token' }]) => [
        method.toLowerCase(),
        { ...operation, ...(isGuarded && access !== 'token' && { security: [] }) },
      ]),
    ),
  ]);
  return {
    openapi: '3.1.0',
    info: { title: 'clip-classify', version, description: 'Zero-shot image classification with CLIP' },
    paths: Object.fromEntries(paths),
    components: {
      schemas: SCHEMAS,
      ...(isGuarded && { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }),
    },
    ...(isGuarded && { security: [{ token: [] }] }),
  };
}
