// Shows the OpenAPI document. Swagger UI itself comes from the package fastapi-swagger.

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showCommonExtensions: true,
  // Nothing is sent to a validator elsewhere.
  validatorUrl: null,
});
