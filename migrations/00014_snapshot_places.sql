-- +goose Up
-- Where a snapshot lies follows from its row alone (pkg/snapshot, Prefix), so the
-- database writes it, and no program can put one snapshot in another's place.

-- +goose StatementBegin
create function place_snapshot() returns trigger
language plpgsql set search_path = ''
as $$
begin
    new.prefix := 'users/' || new.account_id || '/connections/' || new.connection_id || '/backups/'
        || to_char(new.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24MISS.MS"Z"')
        || '-' || encode(substring(sha256(convert_to(new.id::text, 'UTF8')) from 1 for 4), 'hex');
    return new;
end
$$;
-- +goose StatementEnd
comment on function place_snapshot() is 'where a snapshot lies in the store: account, connection, moment, four bytes of its ID''s hash';
create trigger snapshots_place before insert on snapshots for each row execute function place_snapshot();
