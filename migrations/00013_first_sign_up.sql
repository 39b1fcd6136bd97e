-- +goose Up
-- Where only an installation's first person may make an account, two who come first at
-- the same moment must not both be first: whoever asks holds the answer until the
-- transaction ends. It tells nothing but whether there is an account at all.

-- For imago_api, with no proof, in the transaction of open_session.
-- +goose StatementBegin
create function is_first_sign_up() returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
    perform pg_catalog.pg_advisory_xact_lock(7303, 0);
    return not exists (select from public.accounts);
end
$$;
-- +goose StatementEnd
comment on function is_first_sign_up() is 'whether no account was made yet; the answer holds until the transaction ends';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.is_first_sign_up() owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.is_first_sign_up() from public';
    execute 'grant execute on function public.is_first_sign_up() to imago_api';
end
$$;
-- +goose StatementEnd
