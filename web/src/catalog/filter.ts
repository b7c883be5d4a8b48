export const CATALOG_SORTS = ['name', '-installs', '-updated'] as const
export type CatalogSort = (typeof CATALOG_SORTS)[number]

/** What of the catalog is looked at; an absent part is everything. */
export interface CatalogFilter {
  search?: string
  category?: string
  tag?: string
  /** The id of a repository. */
  repository?: string
  installed?: 'yes' | 'no'
  sort?: CatalogSort
  page?: number
}

/** Parts of a template's page. */
export const TEMPLATE_TABS = ['about', 'parameters', 'versions', 'manifest'] as const
export type TemplateTab = (typeof TEMPLATE_TABS)[number]
